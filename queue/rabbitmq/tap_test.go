package rabbitmq

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// script is a connection from which a broker's stream is read, a few bytes at a time.
type script struct {
	net.Conn
	rest []byte
	most int // bytes of one read
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.most)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// tapped returns the output of a tap: for the client, without heartbeats, and for the session.
func tapped(stream []byte, most int) (passed []byte, taken []amqp.Delivery, flushed int, err error) {
	tap := newTap(&script{rest: stream, most: most})
	tap.sink.Store(&sink{
		take: func(raw *amqp.Delivery) { taken = append(taken, *raw) },
		rest: func() { flushed = len(taken) },
	})
	passed, err = io.ReadAll(tap)
	return bytes.ReplaceAll(passed, []byte{typeHeartbeat, 0, 0, 0, 0, 0, 0, octetAtEnd}, nil), taken, flushed, err
}

func frameOf(kind byte, channel uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), octetAtEnd)
}

func shortOf(text string) []byte { return append([]byte{byte(len(text))}, text...) }

// framesOf returns the frames of one delivery, with a body in parts.
func framesOf(d *amqp.Delivery, part int) [][]byte {
	method := binary.BigEndian.AppendUint32(nil, basicDeliver)
	method = append(method, shortOf("consumer")...)
	method = binary.BigEndian.AppendUint64(method, d.DeliveryTag)
	method = append(append(append(method, 1), shortOf("exchange")...), shortOf("key")...)
	header := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, uint64(len(d.Body)))
	header = append(binary.BigEndian.AppendUint16(header, 1<<7), shortOf(d.MessageId)...)
	frames := [][]byte{frameOf(typeMethod, 1, method), frameOf(typeHeader, 1, header)}
	for body := d.Body; len(body) > 0; {
		n := min(part, len(body))
		frames = append(frames, frameOf(typeBody, 1, body[:n]))
		body = body[n:]
	}
	return frames
}

// TestTapTakesDeliveriesOnly: for any division of the stream, and anything between its frames, each
// delivery comes out whole and in order. The client gets everything else unchanged.
func TestTapTakesDeliveriesOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream, others []byte
		other := func() {
			kind := rapid.SampledFrom([]byte{typeMethod, typeHeader, typeBody}).Draw(t, "kind")
			frame := frameOf(kind, 7, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload"))
			stream, others = append(stream, frame...), append(others, frame...)
		}
		var want []amqp.Delivery
		for tag := range rapid.Uint64Range(0, 5).Draw(t, "deliveries") {
			d := amqp.Delivery{
				DeliveryTag: tag + 1, Redelivered: true, Exchange: "exchange", RoutingKey: "key", ConsumerTag: "consumer",
				MessageId: rapid.StringN(0, 20, 255).Draw(t, "id"),
			}
			if n := rapid.IntRange(0, 300).Draw(t, "length"); n > 0 {
				d.Body = bytes.Repeat([]byte{byte(n)}, n)
			}
			want = append(want, d)
			for _, frame := range framesOf(&d, rapid.IntRange(1, 200).Draw(t, "part")) {
				if rapid.IntRange(0, 3).Draw(t, "between") == 0 {
					other()
				}
				stream = append(stream, frame...)
			}
		}
		other()
		passed, taken, flushed, err := tapped(stream, rapid.IntRange(1, 400).Draw(t, "read"))
		require.NoError(t, err)
		require.Equal(t, want, taken)
		require.Equal(t, len(taken), flushed)
		require.True(t, bytes.Equal(others, passed))
	})
}

// TestTapHandsOverBeforeItPasses: when the client receives the end of a consumer, its last delivery
// was handed over.
func TestTapHandsOverBeforeItPasses(t *testing.T) {
	flushed := 0
	cancelOK := frameOf(typeMethod, 1, []byte{0, 60, 0, 31, 0})
	last := bytes.Join(framesOf(&amqp.Delivery{DeliveryTag: 1, Body: []byte("x")}, 1), nil)
	tap := newTap(&script{rest: append(last, cancelOK...), most: 1 << 10})
	tap.sink.Store(&sink{take: func(*amqp.Delivery) {}, rest: func() { flushed++ }})
	got := make([]byte, len(cancelOK))
	_, err := io.ReadFull(tap, got)
	require.NoError(t, err)
	require.Equal(t, cancelOK, got)
	require.Equal(t, 1, flushed)
}

// TestTapBeatsForItsDeliveries: the client, which ends a connection that is silent, gets a
// heartbeat for a delivery that it does not see.
func TestTapBeatsForItsDeliveries(t *testing.T) {
	tap := newTap(&script{rest: bytes.Join(framesOf(&amqp.Delivery{DeliveryTag: 1}, 1), nil), most: 1 << 10})
	tap.sink.Store(&sink{take: func(*amqp.Delivery) {}, rest: func() {}})
	passed, err := io.ReadAll(tap)
	require.NoError(t, err)
	require.Equal(t, frameOf(typeHeartbeat, 0, nil), passed)
}

// FuzzTap: for any stream, the tap ends with it, and allocates no more than was sent. Without a
// delivery it changes nothing.
func FuzzTap(f *testing.F) {
	whole := bytes.Join(framesOf(&amqp.Delivery{DeliveryTag: 1, MessageId: "id", Body: []byte("body")}, 3), nil)
	f.Add(whole, uint16(5))
	f.Add(whole[:len(whole)-4], uint16(500))
	f.Add([]byte("AMQP\x00\x00\x09\x01"), uint16(3))
	f.Add([]byte{0x16, 3, 1, 2, 0, 1, 0, 1}, uint16(1))                     // TLS
	f.Add([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 60, 0, 60}, uint16(9)) // a delivery of 4 GiB
	f.Fuzz(func(t *testing.T, stream []byte, most uint16) {
		passed, taken, flushed, err := tapped(stream, int(most)+1)
		if err == nil {
			require.Equal(t, len(taken), flushed)
		} else {
			require.ErrorIs(t, err, errMalformed)
		}
		size := 0
		for i := range taken {
			size += len(taken[i].Body)
		}
		require.LessOrEqual(t, size, len(stream))
		if err == nil && !bytes.Contains(stream, []byte{0, 60, 0, 60}) {
			beats := bytes.ReplaceAll(stream, frameOf(typeHeartbeat, 0, nil), nil)
			require.True(t, bytes.Equal(beats, passed))
		}
	})
}

// TestTapReadsWhatTheClientReads: with the real broker between, a delivery of the tap equals that
// of the client for the same message.
func TestTapReadsWhatTheClientReads(t *testing.T) {
	user, err := amqp.ParseURI(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	q := newQueue(t, Config{Type: Classic})
	s := open(t, q, 1)
	sent := amqp.Publishing{
		Headers: amqp.Table{
			"string": "s", "bytes": []byte{0xff, 0}, "true": true, "nil": nil, "byte": byte(200),
			"int8": int8(-8), "int16": int16(-16), "uint16": uint16(16),
			"int32": int32(-32), "uint32": uint32(32), "int64": int64(-64), "float32": float32(1.5), "float64": -2.5,
			"time":    time.Unix(1e9, 0),
			"decimal": amqp.Decimal{Scale: 2, Value: -314},
			"list":    []any{"a", int64(1), []any{true}}, "table": amqp.Table{"in": amqp.Table{"x": "y"}},
			"empty list": []any{}, "empty table": amqp.Table{}, headerMillis: int64(1_700_000_000_123), "": "no name",
		},
		ContentType: "text/plain", ContentEncoding: "gzip", DeliveryMode: amqp.Persistent, Priority: 9,
		CorrelationId: "correlation", ReplyTo: "reply",
		Expiration: "60000", MessageId: "id", Timestamp: time.Unix(1_700_000_001, 0), Type: "type",
		UserId: user.Username, AppId: "app",
		Body: bytes.Repeat([]byte("0123456789"), 40_000), // several frames
	}
	foreign(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false, sent))
	})
	d := receive(t, s)
	tapped := *s.original(d)
	require.NoError(t, s.Close(t.Context()))
	foreign(t, func(ch *amqp.Channel) {
		client, ok, err := ch.Get(q.name, true)
		require.NoError(t, err)
		require.True(t, ok)
		require.True(t, bytes.Equal(client.Body, tapped.Body))
		client.Body, tapped.Body = nil, nil
		client.Acknowledger, client.Exchange, client.RoutingKey = nil, "", ""
		client.DeliveryTag, client.Redelivered = 1, false
		client.MessageCount, client.ConsumerTag = 0, tapped.ConsumerTag
		require.Equal(t, client, tapped)
	})
}
