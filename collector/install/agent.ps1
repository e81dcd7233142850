# Makes this machine a site: installs the agent, fetches the site's certificate with the one-time token on the standard input, and waits until the
# service answers. Run again it goes on where it ended. `dockline-collector site add` prints the command that runs it. For Windows PowerShell 5.1.
# Not a word here of the variable that PowerShell has for its input: it would then read the standard input away, and the token with it. And no Parameter()
# before a parameter: what is piped would be looked at as one.
param([string]$Fingerprint, [string]$Plugins = '')
$ErrorActionPreference = 'Stop'
$collector = '[[.Collector]]'
$version = '[[.Version]]'
$file = '[[.File]]'
$sum = '[[.Sum]]'
# A 32 bit PowerShell has another ProgramFiles.
$programs = if ($env:ProgramW6432) { $env:ProgramW6432 } else { $env:ProgramFiles }
$agent = Join-Path $programs 'Dockline\dockline-agent.exe'

function Fail([string]$text) { [Console]::Error.WriteLine("dockline: $text"); exit 1 }

$user = New-Object Security.Principal.WindowsPrincipal([Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) { Fail 'run this in a PowerShell that was started as administrator' }
if ($Fingerprint -notmatch '^[0-9A-Fa-f]{64}$') { Fail 'the fingerprint is not whole: run all of the command that site add prints' }
$authority = $PSCommandPath -replace '\.ps1$', '.pem'
if (-not (Test-Path $authority)) { Fail "$authority, the collector's authority, is not beside this script: run all of the command that site add prints" }
$token = [Console]::In.ReadLine() -replace '[^A-Za-z0-9._-]' # a session that writes UTF-8 may have put a mark before it
if (-not $token) { Fail 'no token on the standard input' }

$work = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
New-Item -ItemType Directory $work | Out-Null
try {
    $installed = ''
    if (Test-Path $agent) { $installed = & $agent version }
    if ($installed -ne $version) {
        $msi = Join-Path $work $file
        # No revocation list: a private authority has none, and the collector itself refuses what it has revoked.
        & curl.exe -fsS --retry 5 --retry-delay 2 -C - --ssl-no-revoke --cacert $authority -o $msi "$collector/install/$file"
        if ($LASTEXITCODE -ne 0) { Fail "cannot fetch $file from $collector" }
        if ((Get-FileHash -Algorithm SHA256 $msi).Hash -ne $sum) { Fail "$file is not what the collector says that it is: run this again" }
        $signature = Get-AuthenticodeSignature $msi
        if ($signature.Status -eq 'HashMismatch') { Fail "the signature of $file does not fit it: run this again" }
        if ($signature.Status -ne 'Valid') { "note: $file has no signature that this Windows trusts ($($signature.Status))" }
        $log = "$work.log"
        $run = Start-Process msiexec.exe -Wait -PassThru -ArgumentList '/i', "`"$msi`"", '/qn', '/norestart', '/l*v', "`"$log`""
        if ($run.ExitCode -eq 1618) { Fail 'another installation is at work on this machine: run this again when it has ended' }
        if ($run.ExitCode -eq 3010) { 'note: the installation is complete when this machine has been started anew' }
        if ($run.ExitCode -notin 0, 3010) { Fail "msiexec ended with $($run.ExitCode): $log says why" }
    }
    # The token goes through the standard input: arguments stand in the list of processes. The service waits for what this writes.
    $arguments = @('enrol', '--collector', $collector, '--fingerprint', $Fingerprint, '--token-file', '-')
    if ($Plugins) {
        $section = Join-Path $work 'plugins.yaml'
        [IO.File]::WriteAllBytes($section, [Convert]::FromBase64String($Plugins))
        $arguments += '--plugins', $section
    }
    $token | & $agent @arguments
    if ($LASTEXITCODE -ne 0) { Fail 'the site is not enrolled; the lines above say why' }
    & $agent config check
    if ($LASTEXITCODE -ne 0) { Fail 'the configuration has faults; the lines above name them' }
    & $agent start
    if ($LASTEXITCODE -ne 0) { Fail 'the service does not start; the lines above say why' }
    & $agent status # what it lacks it says, and says again whenever it is asked
} finally {
    Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue
}
exit 0
