package health

import (
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	failing = docklinev1.Severity_SEVERITY_ERROR
	warning = docklinev1.Severity_SEVERITY_WARNING
	info    = docklinev1.Severity_SEVERITY_INFO
)

const (
	// manyShortLinks in a row are no accident.
	manyShortLinks = 5
	// diskFull is less than the files of journal and inbox grow by at once, diskLow what an outage may need.
	diskFull, diskLow = 1 << 20, 512 << 20
	// filling and full are shares of journal.limit, in percent.
	filling, full = 80, 95
	// clockTolerance is how wrong a clock may be before a person should know.
	clockTolerance = 10 * time.Second
	// ackPatience is how long an answer of the collector may take.
	ackPatience = 20 * time.Second
	// oldAfter is how old an event may become here, lateAfter at the centre, before a person should know.
	oldAfter, lateAfter = time.Hour, 24 * time.Hour
	// silentAfter is how long a source that told something may say nothing.
	silentAfter = 12 * time.Hour
	// renewBefore is how long before its end a certificate that nobody has renewed is a fault.
	renewBefore = 25 * 24 * time.Hour
	// lowBattery is the charge in percent at which a scanner will not last the shift.
	lowBattery = 15
)

// Checks is the fixed list, most urgent first. What has no Find is reported by the part of the agent that meets it.
var Checks = []Check{
	{"journal_full", "The journal is full", failing, 0, "journal size against journal.limit, and whether sources are refused",
		"Sources are paused; nothing is lost. Bring the line to the collector back, or raise journal.limit if the disk has room.", journalFull},
	{"journal_filling", "The journal is filling up", warning, 0, "journal size against journal.limit",
		"Bring the line to the collector back before it is full.", journalFilling},
	{"journal_days", "The journal is soon full", warning, 0, "days until the journal is full at today's rate, while events do not leave",
		"Bring the line back before then, or raise journal.limit if the disk has room.", journalDays},
	{"journal_failed", "The journal takes no events", failing, 0, "what the journal says to a source", "The source waits, nothing is lost; look at the disk.", nil},
	{"journal_damaged", "Damaged journal files were set aside", warning, 0, "files in the journal's folder that end with .damaged",
		"What could be read was taken over, the rest is declared lost: the centre has a case for each lost range. Keep the files until it is closed, then delete them. Check the disk.", journalDamaged},
	{"disk_full", "The disk is full", failing, 0, "free space where data_dir is, below 1 MB",
		"Nothing more can be written where data_dir is. Sources are paused and work from the centre waits; nothing is lost. Free some space: all goes on by itself.", diskIsFull},
	{"disk_low", "The disk is nearly full", warning, 0, "free space where data_dir is, below 512 MB", "Free some space: the journal may need it during an outage.", diskIsLow},
	{"session_taken_over", "Another host uses this site's identity", failing, 0, "whether the broker gave this site's place to another connection",
		"Most likely data_dir was copied to a second host, or an old host was switched on again. Find it, stop its agent, and give it an identity of its own; then restart this agent. Nothing is lost meanwhile.", takenOver},
	{"line_flaps", "The line comes and goes", failing, 0, "connections in a row that fell within a minute",
		"Is the site's identity in use on a second host? Some brokers do not say so. Else look at the network between here and the broker.", lineFlaps},
	{"line_down", "The broker cannot be reached", failing, 20 * time.Second, "the connection to the broker",
		"Work goes on here, and everything is sent when the line is back. Check the network, then the broker at the centre.", lineDown},
	{"broker_refuses", "The broker refuses what this site sends", failing, 10 * time.Second, "the broker's answers to messages",
		"Let the broker's rules allow this site its own topics, and look at its quota.", brokerRefuses},
	{"event_too_large", "An event is too large for the broker", failing, 0, "the broker's largest packet",
		"Raise the broker's largest packet to 1 MiB; they are tried again with the next connection.", eventTooLarge},
	{"collector_silent", "The collector does not answer", failing, ackPatience, "whether the collector greets a line that is up",
		"Look at the collector: is it running, does its database take writes?", collectorSilent},
	{"not_acknowledged", "The collector does not acknowledge", failing, ackPatience, "the collector's answers to events that were sent",
		"Look at the collector: is it running, does its database take writes?", notAcknowledged},
	{"oldest_event", "An event has waited here for long", warning, oldAfter, "the age of the oldest event that the collector has not acknowledged",
		"If the line is up, the backlog is draining or the line is too slow for it; the number of events that wait tells which.", oldestEvent},
	{"erp_waits", "The ERP does not take what was sent", failing, 0, "receipts of events at the centre whose posting is tried in vain",
		"Nothing is lost, the centre tries again by itself; tell the people who run it if they do not know.", erpWaits},
	{"erp_refused", "Events were refused, or wait for a person", warning, 0, "receipts that say refused, or name an exception",
		"The page of this agent lists them with the reason and the place in the file. Correct what is wrong at its source, or ask the centre by the exception's number.", erpRefused},
	{"erp_late", "An event is not in the ERP for long", info, 0, "the age of the oldest event that the ERP has not confirmed, from receipts",
		"An order that is being picked for days may be the reason. Else ask the centre what it waits for.", erpLate},
	{"plugin_quarantined", "A plugin does not run", failing, 0, "a plugin that ended again and again, is not the pinned program, or has faults in its section",
		"Mend the cause; then `dockline-agent plugin release ID` starts it at once.", nil},
	{"plugin_restarting", "A plugin is being restarted", warning, 0, "a plugin that ended unasked", "It starts again by itself, from where it was.", nil},
	{"plugin_floods", "A plugin tells without end", warning, 0, "events of a plugin against its event_rate", "It is held to its rate, so that the journal lasts for the others; nothing is lost. See what its source does.", nil},
	{"plugin_log_capped", "A plugin logs too much", info, 0, "lines of a plugin's log against the cap", "Lines are left out of the log; have the plugin say less.", nil},
	{"plugin_starting", "A plugin does not get ready", warning, 30 * time.Second, "a plugin that is being started",
		"A virus scanner that looks at the program may be the reason: exclude the folder of the plugins from it. See the agent's log.", pluginStarting},
	{"plugin_silent", "A source has told nothing for long", info, 0, "when each running plugin last told an event",
		"If the dock has worked meanwhile, see whether the WMS still writes, and whether people use the scanners.", pluginSilent},
	{"wms_unreachable", "The WMS cannot be reached", failing, 5 * time.Second, "what plugins say of the WMS, its database and its folders",
		"Sources go on where they were when it is back; nothing is lost.", unreachable(func(kind string) bool { return kind != "scanner" })},
	{"scanner_unreachable", "A scanner cannot be reached", warning, 5 * time.Second, "what plugins say of scanners",
		"Work goes on with the others.", unreachable(func(kind string) bool { return kind == "scanner" })},
	{"battery_low", "A battery is low", info, 0, "charge of scanners, below 15 %", "Charge it, or change it before the shift.", batteryLow},
	{"clock_wrong", "The clock of this machine is wrong", warning, 0, "time of day against the collector's, 10 s or more",
		"Events stay in order and none is lost, but the times that people read are wrong. Set the clock, and see why it is not kept right (NTP).", clockWrong},
	{"certificate_expired", "The site's certificate has ended", failing, 0, "end of the site's certificate",
		"Everything is captured and kept, and a new one is asked for by itself. If a person at the centre lets the site in (`dockline-collector site allow`), that is enough.", certificateExpired},
	{"certificate_unreadable", "The site's certificate cannot be read", failing, 0, "file of the site's certificate",
		"Put it back, readable by the agent's own user; `dockline-agent doctor` looks at it.", certificateUnreadable},
	{"certificate_ends", "The site's certificate ends soon", warning, 0, "end of the site's certificate, within 25 days",
		"Let this machine reach the collector at mqtt.renew, or at the broker's port where that is empty; or sign its request: `dockline-collector site add --csr`.", certificateEnds},
	{"version_mismatch", "Agent and collector do not fit", warning, 0, "version of the agent against the collector's",
		"Update the older of the two; a collector goes first.", versionMismatch},
	{"config_refused", "A configuration from the centre was refused", warning, 0, "the last configuration that the centre gave", "The one before stays in force.", nil},
	{"command_without_sink", "Commands find no plugin", warning, 0, "commands from the centre that no plugin carries out", "Configure a plugin that is a sink, or remove one of two.", nil},
	{"master_behind", "Master data is still coming", info, 10 * time.Minute, "what the centre has of items, customers and bins behind what it has sent",
		"Nothing is to be done: events go first, and the rest comes as the line allows. `dockline-collector master list` at the centre says how far it is.", masterBehind},
	{"unknown_item", "An item is not known at the centre", warning, 0, "items in events against the centre's master data", "Add it there, or correct the code at its source; the events are kept.", nil},
}
