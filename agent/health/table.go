package health

import (
	"fmt"
	"strings"
	"time"
)

// Table is the list of checks in Markdown, as `dockline-agent checks` prints it and docs/operations.md holds it.
func Table() string {
	var b strings.Builder
	b.WriteString("| code | what a person reads | severity | shows after | what is looked at | what to do |\n|---|---|---|---|---|---|\n")
	for _, c := range Checks {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", c.Code, c.Title, severityWord(c.Severity), after(c.After), c.Watches, strings.ReplaceAll(c.Remedy, "|", "\\|"))
	}
	return b.String()
}

func after(d time.Duration) string {
	switch {
	case d == 0:
		return "at once"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
