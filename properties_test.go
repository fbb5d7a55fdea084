package gentask_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
)

// TestAJobHasTheMessage: with its properties, and as a copy.
func TestAJobHasTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := gentasktest.JSON(t, mail{})
		sent.Headers, sent.Priority = map[string]string{"a": "b"}, 3
		for _, p := range []*queue.Properties{nil, {CorrelationID: "c", Subject: "s"}} {
			sent.Properties = p
			got := gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ mail) error {
				job, _ := gentask.FromContext(ctx)
				m := job.Message()
				require.Equal(t, p, m.Properties)
				require.Equal(t, p != nil, job.Properties() != queue.Properties{})
				require.Equal(t, []any{sent.ContentType, sent.Headers, 3}, []any{m.ContentType, m.Headers, m.Priority})
				m.Headers["a"] = "changed"
				if p != nil {
					m.Properties.Subject = "changed"
					require.Equal(t, *p, job.Properties())
				}
				require.Equal(t, "b", job.Headers()["a"])
				return nil
			}), sent, gentask.Config{})
			require.Equal(t, queue.Ack, got.Disposition, got.Reason)
		}
	})
}

// TestDeadlineFromExpiration: a job that comes too late is not run, and one that takes too long is
// cancelled. Both are dead-lettered, with a reason.
func TestDeadlineFromExpiration(t *testing.T) {
	for name, c := range map[string]struct {
		age, expiration, work time.Duration
		want                  queue.Disposition
		ran                   bool
	}{
		"none":     {time.Hour, 0, time.Second, queue.Ack, true},
		"in time":  {time.Second, time.Minute, time.Second, queue.Ack, true},
		"too long": {time.Second, 3 * time.Second, 9 * time.Second, queue.DeadLetter, true},
		"over":     {time.Hour, time.Minute, 0, queue.DeadLetter, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				msg := gentasktest.JSON(t, mail{})
				msg.Time = time.Now().Add(-c.age)
				msg.Properties = &queue.Properties{Expiration: c.expiration}
				expires(t, gentask.DeadlineFromExpiration(), msg, c.work, c.want, c.ran)
			})
		})
	}
}

// TestACompressedBodyIsNamed: the dead letter's reason names what can read it.
func TestACompressedBodyIsNamed(t *testing.T) {
	for _, decode := range []func(*queue.Message, any) error{gentask.DecodeJSON, gentask.StrictJSON} {
		for want, msg := range map[string]queue.Message{
			`"gzip"`: {Body: []byte("\x1f\x8b\x08\xff")},
			`"zstd"`: {Body: []byte("\x28\xb5\x2f\xfd"), Headers: map[string]string{queue.HeaderEncoding: "zstd"}},
		} {
			err := decode(&msg, new(mail))
			require.ErrorContains(t, err, "content encoding "+want)
			require.ErrorContains(t, err, "codec.Set")
		}
		require.NoError(t, decode(&queue.Message{
			Body: []byte(`{}`), Headers: map[string]string{queue.HeaderEncoding: "utf-8"},
		}, new(mail)))
		wide := []byte("\xff\xfe{\x00}\x00")
		require.NoError(t, decode(&queue.Message{Body: wide}, new(mail)))
	}
}
