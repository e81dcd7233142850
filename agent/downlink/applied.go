package downlink

import (
	"bytes"
	"crypto/sha256"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A collector's database that was put back makes commands again, under versions that no site can know. The site's system has such work
// already, perhaps half done, and would refuse to begin it once more: where it is to the letter what was applied last to its order, the
// answer is given for it.

// workOn names the order that a command is about and what is to be done, nil for work that is done again each time somebody asks for it.
func workOn(c *docklinev1.Command) (order, hash []byte) {
	number := ""
	switch work := c.GetWork().(type) {
	case *docklinev1.Command_ReleaseOrder:
		number = work.ReleaseOrder.GetOrder().GetNumber()
	case *docklinev1.Command_CancelOrder:
		number = work.CancelOrder.GetNumber()
	}
	if number == "" || len(number) > maxKey {
		return nil, nil
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&docklinev1.Command{Key: c.Key, Plugin: c.Plugin, Work: c.Work})
	if err != nil {
		return nil, nil
	}
	sum := sha256.Sum256(body)
	return []byte(number), sum[:]
}

// putApplied keeps what was applied last to an order.
func putApplied(tx *bbolt.Tx, c *docklinev1.Command, result *docklinev1.CommandResult) error {
	order, hash := workOn(c)
	if order == nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		return nil
	}
	value, err := makeRecord(hash, result)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketApplied).Put(order, value)
}

// begin is called before a command goes to its sink. It returns what became of the same work where that was applied last to its order, and
// else forgets what was: once a sink has been given other work nobody knows which it has, until it answers.
func (s *Store) begin(c *docklinev1.Command) (result *docklinev1.CommandResult, err error) {
	order, hash := workOn(c)
	if order == nil {
		return nil, nil
	}
	var value []byte
	err = s.view(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucketApplied).Get(order))
		return nil
	})
	if err != nil || value == nil {
		return nil, err
	}
	if body, err := openRecord(value); err == nil && bytes.HasPrefix(body, hash) {
		r := &docklinev1.CommandResult{}
		if proto.Unmarshal(body[len(hash):], r) == nil {
			return r, nil
		}
	}
	return nil, s.update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketApplied).Delete(order) })
}
