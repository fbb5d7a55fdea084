package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SetPassword changes the password of User from now on. The servers close the connections of User.
func (j *JetStream) SetPassword(password string) error { return j.reload(password, everyRight) }

// WithdrawPublishing leaves User the rights to consume a queue and to settle, and takes those to
// publish to the queue and to its dead-letter queue.
func (j *JetStream) WithdrawPublishing(name string) error {
	return j.reload(Password, fmt.Sprintf(`{ publish = { deny = [ %q, %q ] }, subscribe = ">" }`, name, name+"-dead"))
}

// WithdrawRights leaves User without any right: User can connect, but neither publish nor
// subscribe.
func (j *JetStream) WithdrawRights() error { return j.reload(Password, noRight) }

// GiveRights gives User every right, and the first password.
func (j *JetStream) GiveRights() error { return j.reload(Password, everyRight) }

func (j *JetStream) reload(password, rights string) error {
	for i, s := range j.servers {
		if err := s.write(password, rights); err != nil {
			return err
		}
		if err := hangUp(j.running[i].cmd); err != nil {
			return err
		}
	}
	return nil
}

// Stop has server i end in good order, and returns when it is gone.
func (j *JetStream) Stop(i int) error {
	if err := interrupt(j.running[i].cmd); err != nil {
		return err
	}
	<-j.running[i].ended
	return nil
}

// Fill leaves a queue and its dead letters no room: each further message is refused. The messages
// that are there stay. JetStream has this in the place of a memory or disk alarm.
func (j *JetStream) Fill(name string) error { return j.limit(name, 1) }

// Empty gives the room back.
func (j *JetStream) Empty(name string) error { return j.limit(name, -1) }

func (j *JetStream) limit(name string, bytes int64) error {
	return j.ChangeStreams(name, func(s *jetstream.StreamConfig) { s.MaxBytes = bytes })
}

// SetSizeLimit bounds the messages that a queue and its dead-letter queue take; -1 is no bound.
func (j *JetStream) SetSizeLimit(name string, bytes int32) error {
	return j.ChangeStreams(name, func(s *jetstream.StreamConfig) { s.MaxMsgSize = bytes })
}

// ChangeStreams changes the stream of a queue, and that of its dead letters.
func (j *JetStream) ChangeStreams(name string, change func(*jetstream.StreamConfig)) error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		for _, one := range []string{name, name + "-dead"} {
			s, err := js.Stream(ctx, one)
			if err != nil {
				return err
			}
			cfg := s.CachedInfo().Config
			change(&cfg)
			if _, err := js.UpdateStream(ctx, cfg); err != nil {
				return err
			}
		}
		return nil
	})
}

// Pause has the consumer of a queue deliver nothing until that time, or until Resume.
func (j *JetStream) Pause(name string, until time.Time) error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.PauseConsumer(ctx, name, "gentask", until)
		return err
	})
}

// Resume ends a pause.
func (j *JetStream) Resume(name string) error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.ResumeConsumer(ctx, name, "gentask")
		return err
	})
}

// Occupy fills the whole store of the only server with a stream of another program: it takes
// nothing more, also when some hundred kilobytes of others are removed. Vacate deletes that.
func (j *JetStream) Occupy() error {
	const last = 1_000_000
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: squatter, Subjects: []string{squatter}}); err != nil {
			return err
		}
		for {
			info, err := js.AccountInfo(ctx)
			if err != nil {
				return err
			}
			size := largeBody
			if room := j.servers[0].Store<<20 - int(info.Store); room < last/2 { //nolint:gosec // some megabytes
				size = last // the server takes one that it has no more room for
			}
			if _, err = js.Publish(ctx, squatter, make([]byte, size)); err != nil || size == last {
				return err
			}
		}
	})
}

const squatter = "squatter"

// Vacate gives the room back.
func (j *JetStream) Vacate() error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, squatter) })
}

// Purge removes all messages of a queue, also those that are held, and returns their number.
func (j *JetStream) Purge(name string) (n int, err error) {
	err = j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		m, err := js.Conn().RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+name, nil)
		if err != nil {
			return err
		}
		var answer struct {
			Error  *jetstream.APIError
			Purged int
		}
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return err
		}
		if answer.Error != nil {
			return answer.Error
		}
		n = answer.Purged
		return nil
	})
	return n, err
}

// LameDuck makes server i end in lame duck mode, in which it warns its clients, and returns
// when it is gone.
func (j *JetStream) LameDuck(i int) error {
	if err := lameDuck(j.running[i].cmd); err != nil {
		return err
	}
	<-j.running[i].ended
	return nil
}

// ChangeConsumer changes the consumer that all sessions of a queue share.
func (j *JetStream) ChangeConsumer(name string, change func(*jetstream.ConsumerConfig)) error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		c, err := js.Consumer(ctx, name, "gentask")
		if err != nil {
			return err
		}
		cfg := c.CachedInfo().Config
		change(&cfg)
		_, err = js.UpdateConsumer(ctx, name, cfg)
		return err
	})
}

// DeleteConsumer deletes it, with its record of the deliveries.
func (j *JetStream) DeleteConsumer(name string) error {
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		return js.DeleteConsumer(ctx, name, "gentask")
	})
}

// manage is what an operator does, who has all rights.
func (j *JetStream) manage(do func(context.Context, jetstream.JetStream) error) error {
	conn, err := natsgo.Connect(j.guestURL(0), natsgo.Timeout(5*time.Second))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := within(ctlTime)
	defer cancel()
	return do(ctx, js)
}
