package rabbitmq

import (
	"bytes"
	"compress/gzip"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// gzipped returns body as another program compresses it.
func gzipped(t testing.TB, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// topic declares an exchange that routes every key below "jobs" to the queue.
func topic(t testing.TB, q *Queue) string {
	t.Helper()
	name := q.name + ".topic"
	foreign(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.ExchangeDeclare(name, "topic", false, true, false, false, nil))
		require.NoError(t, ch.QueueBind(q.name, "jobs.#", name, false, nil))
	})
	return name
}

// put publishes a message with a bare client, and waits for its confirm.
func put(t testing.TB, exchange, key string, msgs ...amqp.Publishing) {
	t.Helper()
	foreign(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Confirm(false))
		for _, msg := range msgs {
			msg.DeliveryMode = amqp.Persistent
			confirm, err := ch.PublishWithDeferredConfirm(exchange, key, true, false, msg)
			require.NoError(t, err)
			require.True(t, confirm.Wait())
		}
	})
}

// everyType has a header of every type of the protocol that the client can write.
func everyType() amqp.Table {
	return amqp.Table{
		"string": "s", "bytes": []byte{0xff, 0}, "true": true, "nil": nil, "byte": byte(200),
		"int8": int8(-8), "int16": int16(-16), "uint16": uint16(16),
		"int32": int32(-32), "uint32": uint32(32), "int64": int64(-64), "float32": float32(1.5), "float64": -2.5,
		"time": time.Unix(1e9, 0), "decimal": amqp.Decimal{Scale: 2, Value: -314},
		"list": []any{"a", int64(1), []any{true}}, "table": amqp.Table{"in": amqp.Table{"x": "y"}},
		"empty list": []any(nil), "empty table": amqp.Table{}, "": "no name", "UPPER": "case",
	}
}

// TestAForeignMessageKeepsEverything: the properties and headers of a message that another program
// has published through an exchange reach the job. They survive every way that a message takes, and
// what another program reads of a dead letter, and of a message that was given back, is unchanged.
func TestAForeignMessageKeepsEverything(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			s := open(t, q, 1)
			exchange := topic(t, q)
			put(t, exchange, "jobs.eu.invoice", amqp.Publishing{
				Headers: everyType(), ContentType: "application/json; charset=utf-8", ContentEncoding: "gzip",
				CorrelationId: "c-1", ReplyTo: "answers", Type: "invoice", AppId: "billing", Expiration: "3600000",
				MessageId: "m-1", Timestamp: time.Unix(1e9, 0), Body: gzipped(t, `{"total":12}`),
			})
			want := queue.Properties{
				CorrelationID: "c-1", ReplyTo: "answers", Type: "invoice", AppID: "billing", Expiration: time.Hour,
				Subject: "jobs.eu.invoice", Exchange: exchange,
			}
			headers := receivedAs(t, want, s, queue.Settlement{Disposition: queue.Requeue}).Headers
			require.Equal(t, "gzip", headers[queue.HeaderEncoding])
			require.Len(t, headers, len(everyType())+1)
			for _, st := range []queue.Settlement{
				{Disposition: queue.Release},
				{Disposition: queue.Requeue, After: 10 * time.Millisecond, Reason: "why"},
				{Disposition: queue.Release, After: 10 * time.Millisecond},
				{Disposition: queue.DeadLetter, Reason: "why"},
			} {
				require.Subset(t, receivedAs(t, want, s, st).Headers, headers)
			}
			require.NoError(t, s.Close(t.Context()))
			letter := onlyLetter(t, q)
			require.Equal(t, want, *letter.Properties)
			n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			raw := take(t, q)
			require.Empty(t, raw.Expiration, "a copy would expire without a word")
			require.Equal(t,
				[]any{"application/json; charset=utf-8", "gzip", "c-1", "answers", "invoice", "billing", "m-1"},
				[]any{
					raw.ContentType, raw.ContentEncoding, raw.CorrelationId, raw.ReplyTo, raw.Type, raw.AppId,
					raw.MessageId,
				})
			require.Equal(t, want, *properties(&raw))
			maps.DeleteFunc(raw.Headers, func(name string, _ any) bool {
				return strings.HasPrefix(name, "gentask-") || name == headerCount
			})
			require.Equal(t, everyType(), raw.Headers)
		})
	}
}

// receivedAs receives a message with the properties, decodes it, and settles it.
func receivedAs(t testing.TB, want queue.Properties, s queue.Session, st queue.Settlement) *queue.Delivery {
	t.Helper()
	d := receive(t, s)
	require.NotNil(t, d.Properties)
	require.Equal(t, want, *d.Properties)
	set, err := codec.New(codec.Config{})
	require.NoError(t, err)
	var invoice struct{ Total int }
	require.NoError(t, set.Decode(&d.Message, &invoice))
	require.Equal(t, 12, invoice.Total)
	st.Delivery = d
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{st}))
	return d
}

func onlyLetter(t testing.TB, q *Queue) (only queue.Letter) {
	t.Helper()
	n := 0
	for letter, err := range q.Letters().All(t.Context(), queue.LetterFilter{}) {
		require.NoError(t, err)
		only = letter
		n++
	}
	require.Equal(t, 1, n)
	return only
}

// TestForeignClientsReadWhatWeWrite: properties are AMQP's own, and a compression is in
// content_encoding.
func TestForeignClientsReadWhatWeWrite(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	for compression, name := range map[codec.Compression]string{codec.Gzip: "gzip", codec.Zstd: "zstd", codec.None: ""} {
		set, err := codec.New(codec.Config{Compression: compression, MinBytes: 1})
		require.NoError(t, err)
		msg, err := set.Encode(strings.Repeat("text ", 100))
		require.NoError(t, err)
		msg.Properties = &queue.Properties{
			CorrelationID: "c", ReplyTo: "r", Type: "t", AppID: "a", Expiration: time.Second, Subject: "s.t",
		}
		require.NoError(t, q.Publish(t.Context(), msg))
		raw := take(t, q)
		require.Equal(t, []any{name, "c", "r", "t", "a", ""}, []any{
			raw.ContentEncoding, raw.CorrelationId, raw.ReplyTo, raw.Type, raw.AppId, raw.Expiration,
		})
		var text string
		received := message(&raw, scale{})
		require.NoError(t, set.Decode(&received, &text))
		require.Len(t, text, 500)
		require.Equal(t, msg.Properties, received.Properties)
	}
	require.NoError(t, q.Publish(t.Context(), queue.Message{Headers: map[string]string{queue.HeaderEncoding: "utf-8"}}))
	raw := take(t, q)
	require.Empty(t, raw.ContentEncoding)
}

// TestACharsetIsNoCompression: content_encoding may also name a charset, as Celery does.
func TestACharsetIsNoCompression(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	s := open(t, q, 1)
	set, err := codec.New(codec.Config{})
	require.NoError(t, err)
	for _, encoding := range []string{"utf-8", "UTF-8", "binary", "us-ascii", "", "8bit"} {
		put(t, "", q.name, amqp.Publishing{
			ContentType: "application/json", ContentEncoding: encoding, Body: []byte(`"Zürich"`),
		})
		for _, disposition := range []queue.Disposition{queue.Requeue, queue.DeadLetter} {
			d := receive(t, s)
			require.NotContains(t, d.Headers, queue.HeaderEncoding)
			require.Nil(t, d.Properties)
			var text any
			require.NoError(t, set.Decode(&d.Message, &text))
			require.Equal(t, "Zürich", text)
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: disposition}}))
		}
		_, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
		require.NoError(t, err)
		d := receive(t, s)
		require.Equal(t, encoding, s.original(d).ContentEncoding)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
}

// TestAForgedSubjectLosesToTheRealOne: headers of an exchange's message are not believed.
func TestAForgedSubjectLosesToTheRealOne(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	s := open(t, q, 1)
	exchange := topic(t, q)
	put(t, exchange, "jobs.de", amqp.Publishing{Headers: amqp.Table{
		queue.HeaderSubject: "jobs.admin", queue.HeaderExchange: "amq.direct", queue.HeaderExpiration: int64(-1),
	}})
	d := receive(t, s)
	require.Equal(t, queue.Properties{Subject: "jobs.de", Exchange: exchange}, *d.Properties)
	require.Nil(t, d.Headers)
}

// TestPropertiesThatDoNotFitAreRefused: one message's field does not end the connection of others.
func TestPropertiesThatDoNotFitAreRefused(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	long := strings.Repeat("x", 256)
	for field, p := range map[string]queue.Properties{
		"CorrelationID": {CorrelationID: long}, "ReplyTo": {ReplyTo: long}, "Type": {Type: long}, "AppID": {AppID: long},
		"Expiration": {Expiration: -time.Second},
	} {
		err := q.Publish(t.Context(), queue.Message{ID: "bad", Properties: &p}, queue.Message{ID: "good"})
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, "Message.Properties."+field)
		require.ErrorContains(t, err, "1 not confirmed")
		require.Equal(t, "good", take(t, q).MessageId)
	}
}
