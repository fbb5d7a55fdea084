package rabbitmq

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// tlsProxy ends TLS in front of the broker, as many installations do. It returns its URL and the
// config of a client that trusts it.
func tlsProxy(t *testing.T) (at string, trust *tls.Config) {
	t.Helper()
	broker, err := url.Parse(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	root, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	require.NoError(t, err)
	target := broker.Host
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { relay(conn, target) })
		}
	})
	t.Cleanup(work.Wait)
	t.Cleanup(func() { l.Close() })
	broker.Scheme, broker.Host = "amqps", l.Addr().String()
	return broker.String(), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}

// relay passes on both directions until one ends.
func relay(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var work sync.WaitGroup
	work.Go(func() {
		_, _ = io.Copy(server, client)
		server.Close()
	})
	_, _ = io.Copy(client, server)
	client.Close()
	work.Wait()
}

// rawPublish publishes one message whose header table is given as bytes, as no Go client would
// write it.
func rawPublish(t *testing.T, name string, table, body []byte) {
	t.Helper()
	u, err := url.Parse(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	var wire *rawWire
	password, _ := u.User.Password()
	conn, err := amqp.DialConfig(u.String(), amqp.Config{
		SASL: []amqp.Authentication{&amqp.PlainAuth{Username: u.User.Username(), Password: password}},
		Dial: func(network, addr string) (net.Conn, error) {
			c, err := net.Dial(network, addr)
			wire = &rawWire{Conn: c, table: table}
			return wire, err
		},
	})
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	// the client writes a placeholder of the same length, which the wire replaces
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done, err := ch.PublishWithDeferredConfirm("", name, true, false, amqp.Publishing{
		MessageId: "foreign", DeliveryMode: amqp.Persistent, Body: body,
		Headers: amqp.Table{"p": string(bytes.Repeat([]byte{placeholder}, len(table)-7))},
	})
	require.NoError(t, err)
	acked, err := done.WaitContext(ctx)
	require.NoError(t, err)
	require.True(t, acked)
	require.True(t, wire.replaced)
}

const placeholder = 0xEE

// rawWire replaces the placeholder's table.
type rawWire struct {
	net.Conn
	table    []byte
	rest     []byte // of the table, for the next write
	replaced bool
}

func (w *rawWire) Write(p []byte) (int, error) {
	mark := binary.BigEndian.AppendUint32(nil, uint32(len(w.table)))
	mark = append(mark, 1, 'p', 'S')
	p = bytes.Clone(p)
	w.rest = w.rest[copy(p, w.rest):]
	if at := bytes.Index(p, mark); at >= 0 && !w.replaced {
		w.rest = w.table[copy(p[at+4:], w.table):]
		w.replaced = true
	}
	return w.Conn.Write(p)
}

// celery returns a table as py-amqp writes it: an integer beyond 32 bits has the type 'L'.
func celery() []byte {
	table := append([]byte{3}, "eta"...)
	table = binary.BigEndian.AppendUint64(append(table, 'L'), 1<<40)
	table = append(append(table, 4), "task"...)
	return append(binary.BigEndian.AppendUint32(append(table, 'S'), 3), "add"...)
}

// nonsense returns a table that the broker takes, and the client can't read: too many entries.
func nonsense() []byte {
	var table []byte
	for i := range maxEntries + 1 {
		table = append(table, 2, byte(i>>8), byte(i), 'V')
	}
	return table
}

// TestForeignHeaders: a header of type 'L' is kept, on plain connections and under TLS, on every
// type of queue, over a retry, and in a dead letter that the broker has made itself. Headers that
// the client can't read cost the message its headers, and no session.
func TestForeignHeaders(t *testing.T) {
	at, trust := tlsProxy(t)
	for name, cfg := range map[string]Config{
		"classic": {Type: Classic}, "quorum": {}, "classic, TLS": {Type: Classic, TLS: trust}, "quorum, TLS": {TLS: trust},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, cfg)
			if cfg.TLS != nil {
				b, err := New(at, cfg)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, b.Close()) })
				q = b.Queue(q.name)
			}
			s := open(t, q, 10)
			rawPublish(t, q.name, celery(), []byte("job"))
			first := receive(t, s)
			require.Equal(t, map[string]string{"eta": "1099511627776", "task": "add"}, first.Headers)
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: first, Disposition: queue.Requeue}}))
			second := receive(t, s)
			require.Equal(t, 2, second.Attempt)
			require.Equal(t, "1099511627776", second.Headers["eta"])
			rawPublish(t, q.name, nonsense(), []byte("odd"))
			odd := receive(t, s)
			require.Equal(t, "odd", string(odd.Body))
			require.Empty(t, odd.Headers)
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{
				{Delivery: second, Disposition: queue.Ack}, {Delivery: odd, Disposition: queue.Ack},
			}))
			rawPublish(t, q.deadName(), celery(), []byte("buried"))
			rawPublish(t, q.deadName(), nonsense(), []byte("odd"))
			letters, err := q.DeadLetters(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, letters, 2)
			require.Equal(t, "1099511627776", letters[0].Headers["eta"])
			require.Equal(t, "odd", string(letters[1].Body))
			require.Empty(t, letters[1].Headers)
			quiet(t, s)
			require.NoError(t, s.ended())
		})
	}
}

// TestTLS_Refused: a certificate that is not trusted is an error of Open, and leaves nothing
// behind.
func TestTLS_Refused(t *testing.T) {
	at, _ := tlsProxy(t)
	b, err := New(at, Config{})
	require.NoError(t, err)
	defer b.Close()
	_, err = b.Queue("gentask-test-tls").Open(t.Context(), queue.Options{Prefetch: 1})
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
}
