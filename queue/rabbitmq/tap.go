package rabbitmq

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// tap is a socket from which the client reads everything except deliveries, which go straight to
// the session. The client makes some forty objects of each, by reflection, and passes it from
// goroutine to goroutine twice. For a short job that costs more than everything else together. The
// client handles the rest of the protocol: the tap only parses the boundaries of frames, and
// deliveries. It is above TLS.
//
// It is read by one goroutine, that of the client.
type tap struct {
	net.Conn
	sink atomic.Pointer[sink] // nil: the client gets the deliveries, too

	buffer []byte // received from the broker
	begin  int    // start of the unhandled part
	end    int
	beat   []byte // the rest of a heartbeat made by the tap
	passes int64  // number of the next bytes that are the client's
	blind  bool   // the stream has no frames, and is all the client's

	now      stage
	channel  uint16        // the channel of the delivery
	incoming amqp.Delivery // its part so far
	missing  uint64        // missing bytes of its body
	chunk    uint64        // those in this frame
	words    lexicon
	silent   bool // the client has seen nothing of the last bytes
	beaten   time.Time
}

// sink receives deliveries.
type sink struct {
	take func(raw *amqp.Delivery) // takes one; it may keep the data that raw points to, but not raw itself
	rest func()                   // called when no more are there for the moment
}

// stage is the next part of a delivery. The set is closed.
type stage uint8

const (
	nextMethod stage = iota
	nextHeader
	nextBody
	inBody
)

// Layout of a frame: type, channel and length, the payload, and an octet at the end.
const (
	frameHead = 7
	frameTail = 1

	typeMethod    = 1
	typeHeader    = 2
	typeBody      = 3
	typeHeartbeat = 8
	octetAtEnd    = 0xCE
	basicDeliver  = 60<<16 | 60 // class and method
)

const (
	tapSize = 64 << 10
	// maxFrame is the largest body that is taken out at once, and not in parts. Frames have 128 KiB
	// at most unless the broker has another setting.
	maxFrame = 16 << 20
	maxTrust = 1 << 20 // up to this length a body gets its memory at once

	// beatEach is more often than any client could request.
	beatEach = 200 * time.Millisecond
)

// newTap returns the tap of a connection. It passes deliveries on to the client until it has a
// sink.
func newTap(conn net.Conn) *tap {
	return &tap{Conn: conn, buffer: make([]byte, tapSize), words: make(lexicon)}
}

// Read reads the client's part.
func (t *tap) Read(p []byte) (int, error) {
	for {
		if n := t.pass(p); n > 0 {
			return n, nil
		}
		advanced, err := t.advance()
		if err == nil && !advanced {
			err = t.fill()
		}
		if err != nil {
			return 0, err
		}
	}
}

// pass copies the client's part of the buffer.
func (t *tap) pass(p []byte) int {
	if len(t.beat) > 0 {
		n := copy(p, t.beat)
		t.beat = t.beat[n:]
		return n
	}
	there := t.buffer[t.begin:t.end]
	if !t.blind {
		there = there[:min(int64(len(there)), t.passes)]
	}
	n := copy(p, there)
	t.begin += n
	t.passes -= int64(n)
	return n
}

// fill reads from the broker.
func (t *tap) fill() error {
	if t.flush() && t.heartbeat() {
		return nil
	}
	if t.begin > 0 {
		t.end = copy(t.buffer, t.buffer[t.begin:t.end])
		t.begin = 0
	}
	if t.end == len(t.buffer) { // a frame that is larger
		t.buffer = append(t.buffer, make([]byte, len(t.buffer))...)
	}
	n, err := t.Conn.Read(t.buffer[t.end:])
	t.end += n
	if n > 0 {
		return nil // the error will be returned again
	}
	return err
}

// flush calls rest of the sink, and reports whether there were deliveries.
func (t *tap) flush() bool {
	silent := t.silent
	if silent {
		t.silent = false
		t.sink.Load().rest()
	}
	return silent
}

// heartbeat makes a heartbeat for the client, unless it got one just before. A client ends a
// connection that is silent for too long, and brokers send no heartbeats while they send
// deliveries. So the client gets one in place of the deliveries that it does not see.
func (t *tap) heartbeat() bool {
	now := time.Now()
	if now.Sub(t.beaten) < beatEach {
		return false
	}
	t.beaten = now
	t.beat = []byte{typeHeartbeat, 0, 0, 0, 0, 0, 0, octetAtEnd}
	return true
}

// advance handles the next part of the buffer. It returns false if more of it must arrive first.
func (t *tap) advance() (bool, error) {
	if t.passes > 0 || t.blind {
		return false, nil
	}
	there := t.buffer[t.begin:t.end]
	if t.now == inBody {
		return t.inside(there)
	}
	if len(there) < frameHead {
		return false, nil
	}
	kind, channel, size := there[0], binary.BigEndian.Uint16(there[1:]), binary.BigEndian.Uint32(there[3:])
	switch ours := channel == t.channel; {
	case kind == typeMethod && t.sink.Load() != nil:
		return t.method(there, channel, size)
	case kind == typeHeader && t.now == nextHeader && ours:
		return t.whole(there, size, t.header)
	case kind == typeBody && t.now == nextBody && ours:
		t.begin += frameHead
		t.now, t.chunk = inBody, uint64(size)
		return true, nil
	case kind == typeHeader && size <= maxFrame:
		if len(there) < frameHead+int(size) {
			return false, nil
		}
		makeReadable(there[frameHead : frameHead+int(size)])
	}
	t.blind = kind != typeMethod && kind != typeHeader && kind != typeBody && kind != typeHeartbeat
	t.leave(size)
	return true, nil
}

// leave leaves a frame to the client. Earlier deliveries are handed over first, because the end of
// a consumer comes after its last delivery.
func (t *tap) leave(size uint32) {
	t.flush()
	t.passes = frameHead + int64(size) + frameTail
}

// method handles a method frame, which may begin a delivery. Any method ends an incomplete
// delivery, as in the client.
func (t *tap) method(there []byte, channel uint16, size uint32) (bool, error) {
	if size < 4 {
		t.leave(size)
		return true, nil
	}
	if len(there) < frameHead+4 {
		return false, nil
	}
	if binary.BigEndian.Uint32(there[frameHead:]) != basicDeliver {
		if channel == t.channel {
			t.now = nextMethod
		}
		t.leave(size)
		return true, nil
	}
	return t.whole(there, size, func(p *payload) {
		p.take(4)
		t.incoming = amqp.Delivery{}
		p.deliver(&t.incoming)
		t.channel, t.now = channel, nextHeader
	})
}

// whole calls f with a frame when all of it is there.
func (t *tap) whole(there []byte, size uint32, f func(*payload)) (bool, error) {
	if size > maxFrame {
		return false, errMalformed
	}
	end := frameHead + int(size)
	if len(there) < end+frameTail {
		return false, nil
	}
	p := payload{rest: there[frameHead:end], words: t.words, bad: there[end] != octetAtEnd}
	f(&p)
	if p.bad {
		return false, errMalformed
	}
	t.begin += end + frameTail
	return true, nil
}

// header reads the header before the body.
func (t *tap) header(p *payload) {
	t.missing = p.properties(&t.incoming)
	if t.missing == 0 {
		t.complete()
		return
	}
	t.incoming.Body = make([]byte, 0, min(t.missing, maxTrust))
	t.now = nextBody
}

// inside takes the available part of a body, and the octet at the end of its frame.
func (t *tap) inside(there []byte) (bool, error) {
	if len(there) == 0 {
		return false, nil
	}
	if t.chunk > t.missing {
		return false, errMalformed
	}
	if t.chunk > 0 {
		part := there[:min(uint64(len(there)), t.chunk)]
		t.incoming.Body = append(t.incoming.Body, part...)
		t.begin += len(part)
		t.chunk -= uint64(len(part))
		t.missing -= uint64(len(part))
		return true, nil
	}
	if there[0] != octetAtEnd {
		return false, errMalformed
	}
	t.begin++
	t.now = nextBody
	if t.missing == 0 {
		t.complete()
	}
	return true, nil
}

// complete hands the delivery over.
func (t *tap) complete() {
	t.sink.Load().take(&t.incoming)
	t.incoming = amqp.Delivery{}
	t.now = nextMethod
	t.silent = true
}
