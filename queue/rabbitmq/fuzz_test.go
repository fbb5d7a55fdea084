package rabbitmq

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// FuzzForeignTable: headers of every type of the protocol, nested, under the names that the driver
// reads, in frames of any size. They become text, the attempt is at least 1, and the copies of
// again and letter fit the frame.
func FuzzForeignTable(f *testing.F) {
	f.Add([]byte{0}, uint16(0), "")
	f.Add([]byte{0, 6, 255, 40}, uint16(0), "") // as many attempts as are believed
	f.Add([]byte{2, 1, 9, 3, 200, 4, 7, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 2, 3}, uint16(4096), "why")
	f.Add([]byte("\x0d\x0d\x0d\x0e\x0e\x0e\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint16(8192), "\xff\xfe")
	f.Add([]byte(strings.Repeat("\x01t", 3000)), uint16(5000), strings.Repeat("é", 9000))
	f.Fuzz(func(t *testing.T, seed []byte, frame uint16, reason string) {
		if len(seed) > 1<<14 {
			return // enough to fill a frame
		}
		frameMax := max(int(frame), 4096)
		headers := (&tableSeed{left: seed}).table(0)
		raw := amqp.Delivery{Headers: headers, Redelivered: len(seed)%2 == 0}
		for _, v := range headers {
			_, _ = text(v), count(v)
		}
		used := usedUp(&raw, tally(len(seed)%5))
		require.LessOrEqual(t, used, queue.MaxCount)
		h := &held{
			raw: &raw, room: headerRoom(frameMax),
			Delivery: queue.Delivery{Message: message(&raw, scale{}), Attempt: used + 1},
		}
		h.ID = "made-up"
		letter := queue.ReadLetter((&Broker{}).Queue("q").letterOf(&raw, scale{}))
		require.GreaterOrEqual(t, letter.Deaths, 1)
		st := &queue.Settlement{Delivery: &h.Delivery, Reason: reason, Evidence: &queue.Evidence{Stack: reason}}
		for _, msg := range []amqp.Publishing{h.again(st), h.letter(st, strings.Repeat("q", maxQueueName))} {
			require.NoError(t, msg.Headers.Validate())
			require.NoError(t, checkOutgoing(outgoing{msg: msg}, frameMax))
			require.Equal(t, min(used+1, queue.MaxCount), count(msg.Headers[queue.HeaderAttempts]))
		}
	})
}

// tableSeed makes a table of bytes.
type tableSeed struct{ left []byte }

func (s *tableSeed) next() byte {
	if len(s.left) == 0 {
		return 0
	}
	b := s.left[0]
	s.left = s.left[1:]
	return b
}

func (s *tableSeed) chunk() string {
	n := min(int(s.next()), len(s.left))
	c := s.left[:n]
	s.left = s.left[n:]
	return string(c)
}

// names are those with a meaning for the driver and the broker.
var names = []string{
	queue.HeaderAttempts, queue.HeaderReason, queue.HeaderStack, queue.HeaderLog, queue.HeaderQueue, queue.HeaderDeadAt, headerCount,
	headerMillis,
	"x-death", "CC", "BCC",
	"x-first-death-queue", queue.HeaderSubject, queue.HeaderExpiration, queue.HeaderEncoding, "",
}

func (s *tableSeed) table(depth int) amqp.Table {
	t := amqp.Table{}
	for len(s.left) > 0 {
		name := names[int(s.next())%len(names)]
		if name == "" {
			name = s.chunk()
		}
		t[name] = s.value(depth)
		if depth > 0 && s.next()%4 == 0 {
			break
		}
	}
	return t
}

func (s *tableSeed) value(depth int) any {
	kind := s.next() % 18
	n := int64(s.next()) << (s.next() % 64)
	switch kind {
	case 0:
		return nil
	case 1:
		return n%2 == 0
	case 2:
		return byte(n)
	case 3:
		return int8(n)
	case 4:
		return int16(n)
	case 5:
		return int32(n)
	case 6:
		return n
	case 7:
		return uint16(n)
	case 8:
		return uint32(n)
	case 9:
		return math.Float32frombits(uint32(n))
	case 10:
		return math.Float64frombits(uint64(n))
	case 11:
		return amqp.Decimal{Scale: byte(n), Value: int32(n)}
	case 12:
		return time.Unix(n, 0)
	case 13, 14:
		if depth < 4 && kind == 13 {
			return s.table(depth + 1)
		}
		return []any{s.chunk(), n, nil}
	case 15:
		return []byte(s.chunk())
	}
	return s.chunk()
}

// FuzzURL: New accepts a URL or returns an error, and never shows a password.
func FuzzURL(f *testing.F) {
	for _, url := range []string{
		"amqp://guest:guest@localhost:5672/", "amqps://u:hunter2@h?heartbeat=5&cacertfile=/x", "amqp://u:hunter2%zz@h",
		"amqp://h:port",
		"://", "", "hunter2",
		"amqp://\x00", "amqp://[::1", "http://u:hunter2@h", "amqp://u:hunter2@h?heartbeat=-1",
		"amqp://u:hunter2@h?channel_max=99999999999", "AMQP://h",
		"amqp://h/%2f", "amqp://h/a/b",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		b, err := New(url)
		if err != nil {
			require.ErrorIs(t, err, queue.ErrConfig)
			require.Nil(t, b)
			require.NotContains(t, err.Error(), "hunter2")
			return
		}
		require.NoError(t, b.Close())
	})
}

// FuzzQueueName: the names of a queue and of its related queues fit the protocol.
func FuzzQueueName(f *testing.F) {
	for _, name := range []string{"emails", "", "amq.", "amq.gen-x", "a b", "é", "\xff\x00", strings.Repeat("x", 121)} {
		f.Add(name, "d.")
	}
	f.Fuzz(func(t *testing.T, name, prefix string) {
		cfg := Config{DelayPrefix: prefix}
		if cfg.withDefaults().check() != nil || checkName(name) != nil {
			return
		}
		b, err := New("amqp://localhost", cfg)
		require.NoError(t, err)
		defer b.Close()
		q := b.Queue(name)
		for _, wire := range []string{q.name, q.deadName(), q.delayName(rung(maxRung))} {
			require.LessOrEqual(t, len(wire), maxShort)
			require.NotEmpty(t, wire)
		}
	})
}

// FuzzDelay: every delay that one queue keeps is on the ladder, none is early.
func FuzzDelay(f *testing.F) {
	for _, after := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64, int64(maxRung), int64(maxRung) + 1} {
		f.Add(after)
	}
	f.Fuzz(func(t *testing.T, after int64) {
		if d := min(time.Duration(after), maxRung); d > 0 {
			require.GreaterOrEqual(t, rung(d), d)
			require.LessOrEqual(t, rung(d).Milliseconds(), int64(math.MaxUint32))
		}
	})
}
