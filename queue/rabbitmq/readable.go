package rabbitmq

import (
	"encoding/binary"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// makeReadable changes the content header of a message that the client will read, such as a dead
// letter, or one that the broker returns. The client ends its connection over a header that it
// can't read. One of type 'L' becomes one of type 'l', which is the same. If others can't be read,
// or are too many, the message loses all of its headers.
func makeReadable(header []byte) {
	p := payload{rest: header, fix: true}
	p.take(4 + 8) // class, weight and size of the body
	p.flags = p.number(2)
	p.wordIf(15)
	p.wordIf(14)
	if !p.has(13) || len(p.rest) < 4 {
		return
	}
	size := uint64(binary.BigEndian.Uint32(p.rest))
	if size > uint64(len(p.rest)-4) {
		return // no AMQP at all
	}
	table := p.rest[4 : 4+size]
	if p.table(0); p.bad {
		blank(table)
	}
}

// blank fills a table with one header whose name is empty, and whose text is zero bytes. The length
// can't change, because the rest of the frame follows.
func blank(table []byte) {
	const head = 1 + 1 + 4 // the empty name, the type, the length
	if len(table) < head {
		return // a server sends no such table
	}
	clear(table)
	table[1] = 'S'
	binary.BigEndian.PutUint32(table[2:], uint32(len(table)-head)) //nolint:gosec // within a frame
}

// unblank removes the header of blank. Another program's header may have an empty name, too.
func unblank(headers amqp.Table) {
	if text, ok := headers[""].(string); ok && strings.Trim(text, "\x00") == "" {
		delete(headers, "")
	}
}
