package chaos

import (
	"context"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SetPassword changes the password of User from now on. The servers close the connections of User.
func (j *JetStream) SetPassword(password string) error { return j.reload(password, everyRight) }

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
	return j.manage(func(ctx context.Context, js jetstream.JetStream) error {
		for _, one := range []string{name, name + "-dead"} {
			s, err := js.Stream(ctx, one)
			if err != nil {
				return err
			}
			cfg := s.CachedInfo().Config
			cfg.MaxBytes = bytes
			if _, err := js.UpdateStream(ctx, cfg); err != nil {
				return err
			}
		}
		return nil
	})
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
