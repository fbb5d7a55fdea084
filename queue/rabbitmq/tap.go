package rabbitmq

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// tap is a socket from which the client reads all that the broker sends, but for deliveries: they are taken out, and go straight to the session.
// The client makes some forty objects of each, by reflection, and hands it from goroutine to goroutine twice; for a short job that is more than
// everything else together. The rest of the protocol stays the client's: the tap knows where frames begin, and what a delivery looks like.
// Under TLS it finds no frames, and leaves everything to the client.
//
// One goroutine reads it, the client's.
type tap struct {
	net.Conn
	sink atomic.Pointer[sink] // nil: the client gets the deliveries, too

	buffer []byte // what the broker has sent
	begin  int    // of what was not handled
	end    int
	beat   []byte // what is left to pass of a heartbeat of our own
	passes int64  // how many of the bytes to come are the client's
	blind  bool   // what comes is no frames, and all the client's

	now      stage
	channel  uint16        // where the delivery comes in
	incoming amqp.Delivery // what is there of it
	missing  uint64        // of its body
	chunk    uint64        // of which in this frame
	words    lexicon
	silent   bool // the client has seen nothing of what came last
	beaten   time.Time
}

// sink is where deliveries go.
type sink struct {
	take func(raw *amqp.Delivery) // takes one; what raw points to may be kept, and raw itself not
	rest func()                   // no more are there for the moment
}

// stage is what comes next of a delivery. The set is closed.
type stage uint8

const (
	nextMethod stage = iota
	nextHeader
	nextBody
	inBody
)

// What a frame looks like: type, channel and length, the payload, and an octet at the end.
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
	tapSize  = 64 << 10
	maxFrame = 16 << 20 // what is taken out at once, and not in parts; frames have 128 KiB at most unless the broker is told otherwise
	maxTrust = 1 << 20  // up to this length a body gets its memory at once

	// beatEach is more often than any client could ask for.
	beatEach = 200 * time.Millisecond
)

// newTap returns the tap of a connection. It passes deliveries on until it has a sink.
func newTap(conn net.Conn) *tap {
	return &tap{Conn: conn, buffer: make([]byte, tapSize), words: make(lexicon)}
}

// Read reads what is the client's.
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

// pass copies what is the client's of what is there.
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

// fill waits for the broker.
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
		return nil // an error comes again
	}
	return err
}

// flush tells the sink that this was all for the moment, and reports whether there was anything.
func (t *tap) flush() bool {
	silent := t.silent
	if silent {
		t.silent = false
		t.sink.Load().rest()
	}
	return silent
}

// heartbeat has one ready for the client, unless it had one just before. A client ends a connection from which it hears nothing for too long, and
// brokers send no heartbeats while they send deliveries: so it gets one for those that it does not see.
func (t *tap) heartbeat() bool {
	now := time.Now()
	if now.Sub(t.beaten) < beatEach {
		return false
	}
	t.beaten = now
	t.beat = []byte{typeHeartbeat, 0, 0, 0, 0, 0, 0, octetAtEnd}
	return true
}

// advance handles what begins now. It returns false when more of it has to come.
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
	}
	t.blind = kind != typeMethod && kind != typeHeader && kind != typeBody && kind != typeHeartbeat
	t.leave(size)
	return true, nil
}

// leave leaves a frame to the client. What came before it is handed over first: the end of a consumer comes after its last delivery.
func (t *tap) leave(size uint32) {
	t.flush()
	t.passes = frameHead + int64(size) + frameTail
}

// method begins a delivery, if it is one. Whatever it is, it ends another that is not complete, as it does for the client.
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

// whole has f read a frame when all of it is there.
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

// header reads what comes before the body.
func (t *tap) header(p *payload) {
	t.missing = p.properties(&t.incoming)
	if t.missing == 0 {
		t.complete()
		return
	}
	t.incoming.Body = make([]byte, 0, min(t.missing, maxTrust))
	t.now = nextBody
}

// inside takes what is there of a body, and the octet at the end of its frame.
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
