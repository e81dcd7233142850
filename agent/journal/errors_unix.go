//go:build unix

package journal

import "golang.org/x/sys/unix"

const errQuota = unix.EDQUOT

// errsJustNow has what only Windows says.
var errsJustNow []error
