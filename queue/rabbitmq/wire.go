package rabbitmq

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// errMalformed ends a connection whose broker sends invalid AMQP.
var errMalformed = errors.New("rabbitmq: malformed delivery")

// maxDepth is the deepest nesting of tables and arrays, and maxEntries their most entries, as in
// the client, which ends its connection over more. The limits must be the same, because the message
// must be readable in the dead-letter queue, too.
const (
	maxDepth   = 32
	maxEntries = 8192
)

// payload parses the payload of one frame. A read beyond its end, or of invalid data, returns zero
// values, and sets bad.
type payload struct {
	rest  []byte
	words lexicon
	flags uint64 // the properties that are present
	fix   bool   // types that the client can't read are replaced in place
	bad   bool
}

// lexicon keeps one copy of each word that comes with many messages: names of headers, types of
// content. Nil keeps none.
type lexicon map[string]string

// maxWords is the most words of a lexicon, because another program may use a new name each time.
const maxWords = 256

func (l lexicon) word(b []byte) string {
	w, known := l[string(b)]
	if !known {
		w = string(b)
		if l != nil && len(l) < maxWords {
			l[w] = w
		}
	}
	return w
}

// take returns the next n bytes, which are valid as long as the frame.
func (p *payload) take(n int) []byte {
	if n < 0 || n > len(p.rest) {
		p.fail()
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// number returns an unsigned number of n bytes, at most 8.
func (p *payload) number(n int) uint64 {
	var all [8]byte
	copy(all[8-n:], p.take(n))
	return binary.BigEndian.Uint64(all[:])
}

func (p *payload) byte() byte { return byte(p.number(1)) }

// short and long are the two kinds of strings.
func (p *payload) short() []byte { return p.take(int(p.byte())) }
func (p *payload) long() []byte  { return p.take(int(p.number(4))) }

// word returns a short string that is likely to occur again.
func (p *payload) word() string { return p.words.word(p.short()) }

// peek returns the next byte without consuming it, and zero at the end.
func (p *payload) peek() byte {
	if len(p.rest) == 0 {
		return 0
	}
	return p.rest[0]
}

func (p *payload) timestamp() time.Time { return time.Unix(int64(p.number(8)), 0) }

// inside returns the part that a length in front delimits.
func (p *payload) inside() *payload { return &payload{rest: p.long(), words: p.words, fix: p.fix} }

func (p *payload) table(depth int) amqp.Table {
	all := amqp.Table{}
	in := p.inside()
	for len(in.rest) > 0 {
		name := in.word()
		all = in.put(all, name, in.value(depth))
	}
	p.bad = p.bad || in.bad
	return all
}

// put sets an entry, and makes the table with the first one, because most messages have none.
func (p *payload) put(t amqp.Table, name string, value any) amqp.Table {
	if t == nil {
		t = make(amqp.Table)
	}
	t[name] = value
	p.bound(len(t))
	return t
}

func (p *payload) bound(entries int) {
	if entries > maxEntries {
		p.fail()
	}
}

// fail ends the parsing.
func (p *payload) fail() { p.bad, p.rest = true, nil }

func (p *payload) array(depth int) []any {
	var all []any
	in := p.inside()
	for len(in.rest) > 0 {
		all = append(all, in.value(depth))
		in.bound(len(all))
	}
	p.bad = p.bad || in.bad
	return all
}

// value returns a value of the Go type that the client returns, and accepts.
func (p *payload) value(depth int) any {
	if p.fix && p.peek() == 'L' {
		p.rest[0] = 'l'
	}
	switch kind := p.byte(); kind {
	case 'S':
		return string(p.long())
	case 'x':
		return append([]byte{}, p.long()...)
	case 't':
		return p.byte() != 0
	case 'V':
		return nil
	case 'T':
		return p.timestamp()
	case 'f':
		return math.Float32frombits(uint32(p.number(4)))
	case 'd':
		return math.Float64frombits(p.number(8))
	case 'D':
		return amqp.Decimal{Scale: p.byte(), Value: int32(p.number(4))}
	case 'F', 'A':
		if depth == maxDepth {
			p.fail()
			return nil
		}
		if kind == 'A' {
			return p.array(depth + 1)
		}
		return p.table(depth + 1)
	default:
		return p.integer(kind)
	}
}

func (p *payload) integer(kind byte) any {
	switch kind {
	case 'b':
		return int8(p.number(1))
	case 'B':
		return p.byte()
	case 's':
		return int16(p.number(2))
	case 'u':
		return uint16(p.number(2))
	case 'I':
		return int32(p.number(4))
	case 'i':
		return uint32(p.number(4))
	case 'l', 'L': // 'L' is not in the protocol's grammar; Celery's client writes it beyond 32 bits
		return int64(p.number(8))
	}
	p.fail()
	return nil
}

// deliver parses the arguments of basic.deliver. It ignores the consumer, and the routing key of
// the default exchange, which is the name of the queue.
func (p *payload) deliver(d *amqp.Delivery) {
	d.ConsumerTag = p.word()
	d.DeliveryTag = p.number(8)
	d.Redelivered = p.byte()&1 != 0
	d.Exchange = p.word()
	if key := p.short(); d.Exchange != amqp.DefaultExchange {
		d.RoutingKey = p.words.word(key)
	}
}

// properties parses a content header, and returns the length of the body.
func (p *payload) properties(d *amqp.Delivery) (size uint64) {
	p.take(4) // class and weight
	size = p.number(8)
	p.flags = p.number(2)
	d.ContentType = p.wordIf(15)
	d.ContentEncoding = p.wordIf(14)
	millis := p.headersIf(13, d)
	d.DeliveryMode = p.byteIf(12)
	d.Priority = p.byteIf(11)
	d.CorrelationId = p.textIf(10)
	d.ReplyTo = p.textIf(9)
	d.Expiration = p.textIf(8)
	d.MessageId = p.textIf(7)
	if p.has(6) {
		d.Timestamp = p.timestamp()
	}
	d.Type = p.wordIf(5)
	d.UserId = p.wordIf(4)
	d.AppId = p.wordIf(3)
	millis.into(d)
	return size
}

// has reports whether the property of that bit is present. The following functions are for optional
// properties.
func (p *payload) has(bit int) bool { return p.flags&(1<<bit) != 0 }

func (p *payload) byteIf(bit int) byte {
	if !p.has(bit) {
		return 0
	}
	return p.byte()
}

func (p *payload) textIf(bit int) string {
	if !p.has(bit) {
		return ""
	}
	return string(p.short())
}

func (p *payload) wordIf(bit int) string {
	if !p.has(bit) {
		return ""
	}
	return p.words.word(p.short())
}

// headersIf parses the headers, except the time in milliseconds: most messages have no other, and
// then need no table. Headers that can't be parsed are omitted, so that a message of another
// program does not end one session after the other.
func (p *payload) headersIf(bit int, d *amqp.Delivery) (found millis) {
	if !p.has(bit) {
		return millis{}
	}
	in := p.inside()
	for len(in.rest) > 0 {
		name := in.word()
		if name == headerMillis && (in.peek() == 'l' || in.peek() == 'L') {
			in.take(1)
			found = millis{int64(in.number(8)), true}
			in.bound(len(d.Headers) + 1)
			continue
		}
		d.Headers = in.put(d.Headers, name, in.value(0))
	}
	if in.bad {
		d.Headers, found = nil, millis{}
	}
	return found
}

// millis is the time in milliseconds, if there is one.
type millis struct {
	at    int64
	found bool
}

// into makes the timestamp exact if the two match. Otherwise the milliseconds are a header like any
// other.
func (m millis) into(d *amqp.Delivery) {
	if !m.found {
		return
	}
	if at := time.UnixMilli(m.at); at.Unix() == d.Timestamp.Unix() {
		d.Timestamp = at
		return
	}
	d.Headers = (&payload{}).put(d.Headers, headerMillis, m.at)
}
