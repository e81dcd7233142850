package uplink

import (
	"fmt"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// receiptDelay gathers receipts: on a busy day they come one by one, and each that is stored by itself costs as much as an event.
	receiptDelay = time.Second
	// receiptsAtOnce are stored and told of without that delay: the collector sends no more until it hears of them.
	receiptsAtOnce = 200
)

// gatherReceipts keeps a list until the next heartbeat, which says that it is stored.
func (u *Uplink) gatherReceipts(list *docklinev1.ReceiptList, now time.Time) error {
	s := u.s
	var err error
	if held := s.receipts; held != nil && list.Previous >= held.Previous && list.Previous <= through(held) {
		held.Receipts = append(held.Receipts, list.Receipts...)
	} else {
		err = u.storeReceipts(s)
		s.receipts = list
	}
	delay := receiptDelay
	if len(s.receipts.Receipts) >= receiptsAtOnce {
		delay = statusDelay
	}
	u.statusWithin(delay, now)
	return err
}

// through is the position that a site holds which has taken the list.
func through(list *docklinev1.ReceiptList) uint64 {
	position := list.Previous
	for _, r := range list.Receipts {
		position = max(position, r.Position)
	}
	return position
}

// storeReceipts makes durable what was gathered. What could not be stored the collector sends again.
func (u *Uplink) storeReceipts(s *session) error {
	list := s.receipts
	if s.receipts = nil; list == nil {
		return nil
	}
	if err := u.c.OnReceipts(list); err != nil {
		return fmt.Errorf("store receipts: %w", err)
	}
	return nil
}
