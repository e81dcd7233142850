package testenv

import (
	"strings"
	"testing"
	"time"
)

// Eventually waits until a state is reached and returns how long that took. At the limit the test fails with what told says, such as the end
// of a process's log.
func Eventually(t testing.TB, limit time.Duration, what string, is func() bool, told ...func() string) time.Duration {
	t.Helper()
	began := time.Now()
	for !is() {
		if time.Since(began) > limit {
			var more strings.Builder
			for _, f := range told {
				more.WriteString("\n" + f())
			}
			t.Fatalf("not within %s: %s%s", limit, what, more.String())
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return time.Since(began)
}
