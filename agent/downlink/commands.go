package downlink

import (
	"fmt"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The states of a command. Versions below the one known are never looked at again, also when it is done.
const (
	// stateWaiting: to be carried out.
	stateWaiting = 'w'
	// stateResult: carried out; what became of it is on its way into the journal.
	stateResult = 'r'
	// stateDone: the journal has the result. Only key and version are left.
	stateDone = 'd'
)

// maxKey is the longest key that is taken; bbolt's own limit is far above.
const maxKey = 1024

type stored struct {
	state   byte
	place   uint64
	command *docklinev1.Command
}

func (c stored) record() ([]byte, error) {
	return makeRecord(append([]byte{c.state}, number(c.place)...), c.command)
}

func readCommand(value []byte) (stored, error) {
	body, err := openRecord(value)
	if err != nil || len(body) < 9 {
		return stored{}, fmt.Errorf("command: %w", errDamaged)
	}
	c := stored{state: body[0], place: readNumber(body[1:9]), command: &docklinev1.Command{}}
	if err := proto.Unmarshal(body[9:], c.command); err != nil {
		return stored{}, fmt.Errorf("command: %w", errDamaged)
	}
	return c, nil
}

// PutCommands returns nil when the list is durable. Of one key the highest version counts; one that is not higher than what is
// known is ignored. A list that begins behind what is held is ignored whole: the collector sees by the positions what is missing.
func (s *Store) PutCommands(list *docklinev1.CommandList) error {
	fresh := 0
	err := s.update(func(tx *bbolt.Tx) error {
		through := readNumber(tx.Bucket(bucketMeta).Get(keyCommands))
		if list.Previous > through {
			return nil
		}
		for _, c := range list.Commands {
			if c.Position != 0 && c.Position <= through {
				continue
			}
			through = max(through, c.Position)
			n, err := s.putCommand(tx, c)
			if err != nil {
				return fmt.Errorf("command %s: %w", c.Key, err)
			}
			fresh += n
		}
		return tx.Bucket(bucketMeta).Put(keyCommands, number(through))
	})
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	if fresh > 0 {
		s.wake()
	}
	return nil
}

func (s *Store) putCommand(tx *bbolt.Tx, c *docklinev1.Command) (fresh int, err error) {
	if c.Key == "" || len(c.Key) > maxKey {
		s.o.Log.Error("downlink: a command without a usable key is left out", "command", c.Key, "position", c.Position)
		return 0, nil
	}
	key := []byte(c.Key)
	waiting := tx.Bucket(bucketWaiting)
	if value := tx.Bucket(bucketCommands).Get(key); value != nil {
		known, err := readCommand(value)
		if err != nil {
			return 0, err
		}
		if known.command.Version >= c.Version {
			return 0, nil
		}
		if known.state == stateResult {
			// Its result is still told, under the older version.
			if err := moveResult(tx, key, known.command.Version); err != nil {
				return 0, err
			}
		}
		if err := waiting.Delete(number(known.place)); err != nil {
			return 0, err
		}
	}
	place, err := waiting.NextSequence()
	if err != nil {
		return 0, err
	}
	value, err := stored{state: stateWaiting, place: place, command: c}.record()
	if err != nil {
		return 0, err
	}
	if err := tx.Bucket(bucketCommands).Put(key, value); err != nil {
		return 0, err
	}
	return 1, waiting.Put(number(place), key)
}

// moveResult keeps the result of an older version when a newer one takes its key.
func moveResult(tx *bbolt.Tx, key []byte, version uint64) error {
	results := tx.Bucket(bucketResults)
	value := results.Get(key)
	if value == nil {
		return nil
	}
	if err := results.Put(append(append([]byte(nil), key...), append([]byte{0}, number(version)...)...), append([]byte(nil), value...)); err != nil {
		return err
	}
	return results.Delete(key)
}

func (s *Store) wake() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// Pending are the commands that have not been carried out, in the order in which they came.
func (s *Store) Pending() ([]*docklinev1.Command, error) {
	var pending []*docklinev1.Command
	err := s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketWaiting).ForEach(func(_, key []byte) error {
			c, err := readCommand(tx.Bucket(bucketCommands).Get(key))
			if err != nil {
				return err
			}
			if c.state == stateWaiting {
				pending = append(pending, c.command)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: pending commands: %w", err)
	}
	return pending, nil
}

// finish stores what became of a command. The event is journalled from here, so that it is the same one after a crash.
func (s *Store) finish(done *docklinev1.Command, result *docklinev1.Event) error {
	key, version := done.Key, done.Version
	return s.update(func(tx *bbolt.Tx) error {
		c, err := readCommand(tx.Bucket(bucketCommands).Get([]byte(key)))
		if err != nil {
			return err
		}
		if err := putApplied(tx, done, result.GetCommandResult()); err != nil {
			return err
		}
		value, err := makeRecord(nil, result)
		if err != nil {
			return err
		}
		if c.command.Version != version {
			// A newer version came meanwhile: it is carried out too, and this result is told first.
			return tx.Bucket(bucketResults).Put(append([]byte(key), append([]byte{0}, number(version)...)...), value)
		}
		if err := tx.Bucket(bucketWaiting).Delete(number(c.place)); err != nil {
			return err
		}
		c.state = stateResult
		changed, err := c.record()
		if err != nil {
			return err
		}
		if err := tx.Bucket(bucketCommands).Put([]byte(key), changed); err != nil {
			return err
		}
		return tx.Bucket(bucketResults).Put([]byte(key), value)
	})
}

// result is an event that the journal does not yet have.
type result struct {
	name  []byte
	event *docklinev1.Event
}

func (s *Store) results() (all []result, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketResults).ForEach(func(name, value []byte) error {
			body, err := openRecord(value)
			r := result{name: append([]byte(nil), name...), event: &docklinev1.Event{}}
			if err != nil || proto.Unmarshal(body, r.event) != nil {
				return fmt.Errorf("result of %s: %w", name, errDamaged)
			}
			all = append(all, r)
			return nil
		})
	})
	return all, err
}

// told forgets a result that is in the journal; its command is done.
func (s *Store) told(r result) error {
	return s.update(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(bucketResults).Delete(r.name); err != nil {
			return err
		}
		value := tx.Bucket(bucketCommands).Get(r.name)
		if value == nil {
			return nil // The result of a version that was overtaken.
		}
		c, err := readCommand(value)
		if err != nil || c.state != stateResult {
			return err
		}
		c.state, c.place, c.command = stateDone, 0, &docklinev1.Command{Key: c.command.Key, Version: c.command.Version}
		if value, err = c.record(); err != nil {
			return err
		}
		return tx.Bucket(bucketCommands).Put(r.name, value)
	})
}
