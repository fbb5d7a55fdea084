package queuetest

import (
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// propertyCases: the fields that programs use among themselves.
func propertyCases() []testCase {
	return []testCase{
		{"properties/reach the job", propertiesArrive},
		{"properties/none costs nothing", propertiesNone},
		{"properties/any text", propertiesHostile},
		{"properties/survive every settlement", propertiesSurvive},
		{"properties/expire nothing", propertiesExpireNothing},
		{"properties/survive a delay", propertiesDelayed},
		{"properties/survive a dead letter", propertiesOfALetter},
		{"properties/survive a redrive", propertiesRedriven},
		{"properties/bad ones are refused", propertiesRefused},
	}
}

// propertyNames returns the names of the cases that need the capability Properties.
func propertyNames() []string {
	var all []string
	for _, tc := range propertyCases() {
		all = append(all, tc.name)
	}
	return all
}

// full returns a message with all properties. Its header names a compression, and its body has
// none.
func full() queue.Message {
	return queue.Message{
		ID: "full", Body: []byte("x"), ContentType: "application/json; charset=utf-8",
		Headers: map[string]string{queue.HeaderEncoding: "gzip", "tenant": "acme"},
		Properties: &queue.Properties{
			CorrelationID: "request-17", ReplyTo: "answers.acme", Type: "invoice", AppID: "billing",
			Expiration: time.Hour, Subject: "jobs.eu.invoice", Exchange: "jobs",
		},
	}
}

// same requires that a message has everything of sent.
func (b *bench) same(sent queue.Message, got queue.Message) {
	b.t.Helper()
	require.Equal(b.t, sent.ID, got.ID)
	require.Equal(b.t, sent.ContentType, got.ContentType)
	require.Subset(b.t, got.Headers, sent.Headers)
	for name := range got.Headers {
		isProperty := new(queue.Properties).SetHeader(name, "")
		require.False(b.t, isProperty, "%s is a header too", name)
	}
	require.Equal(b.t, sent.Properties, got.Properties)
}

// propertiesArrive: a delivery has what was published, and shares nothing with the publisher.
func propertiesArrive(b *bench) {
	s := b.open(1)
	sent := full()
	b.put(sent)
	sent.Properties.Type = "changed by the publisher"
	b.same(full(), b.receive(s).Message)
}

// propertiesNone: a message without properties has none, and one whose properties are all empty
// neither. A message with one has only that.
func propertiesNone(b *bench) {
	s := b.open(1)
	for _, p := range []*queue.Properties{nil, {}} {
		b.put(queue.Message{Properties: p})
		d := b.receive(s)
		require.Nil(b.t, d.Properties)
		b.settle(s, queue.Ack, d)
	}
	for _, p := range []queue.Properties{
		{CorrelationID: "a"},
		{ReplyTo: "a"},
		{Type: "a"},
		{AppID: "a"},
		{Expiration: time.Millisecond},
		{Subject: "a"},
		{Exchange: "a"},
	} {
		b.put(queue.Message{Properties: &p})
		d := b.receive(s)
		require.Equal(b.t, &p, d.Properties)
		b.settle(s, queue.Ack, d)
	}
}

// propertiesHostile: values are any text that fits.
func propertiesHostile(b *bench) {
	s := b.open(1)
	for i, text := range []string{"Zürich 東京 🚀", " around ", "two\r\nlines: 7", "100%", strings.Repeat("x", 255)} {
		sent := queue.Message{ID: names(i + 1)[i], Properties: &queue.Properties{
			CorrelationID: text, ReplyTo: text, Type: text, AppID: text, Subject: text, Exchange: text,
		}}
		b.put(sent)
		d := b.receive(s)
		b.same(sent, d.Message)
		b.settle(s, queue.Ack, d)
	}
}

// propertiesSurvive: copies of a message are the message.
func propertiesSurvive(b *bench) {
	const delay = 20 * time.Millisecond
	s := b.open(1)
	b.put(full())
	for _, st := range []queue.Settlement{
		{Disposition: queue.Requeue, Reason: "first"},
		{Disposition: queue.Release},
		{Disposition: queue.Requeue, After: delay, Reason: "second"},
		{Disposition: queue.Release, After: delay},
		{Disposition: queue.Requeue, Reason: "third"},
	} {
		d := b.receive(s)
		b.same(full(), d.Message)
		st.Delivery = d
		require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{st}))
	}
	b.same(full(), b.receive(s).Message)
}

// propertiesExpireNothing: a message, and a copy of it, whose expiration is over, is delivered.
func propertiesExpireNothing(b *bench) {
	s := b.open(1)
	sent := queue.Message{ID: "old", Properties: &queue.Properties{Expiration: time.Millisecond}}
	b.put(sent)
	d := b.receive(s)
	b.silent(s) // much longer than the expiration
	b.requeue(s, d, 20*time.Millisecond)
	b.same(sent, b.receive(s).Message)
}

// propertiesDelayed: a message that is delayed by its publisher has them, too.
func propertiesDelayed(b *bench) {
	s := b.open(1)
	sent := full()
	sent.NotBefore = time.Now().Add(100 * time.Millisecond)
	b.put(sent)
	b.same(full(), b.receive(s).Message)
}

// propertiesOfALetter: the dead letter is the original.
func propertiesOfALetter(b *bench) {
	s := b.open(1)
	b.put(full())
	b.settle(s, queue.DeadLetter, b.receive(s))
	b.same(full(), b.dead(1)[0])
}

// propertiesRedriven: a message that is given back is the original.
func propertiesRedriven(b *bench) {
	s := b.open(1)
	b.put(full())
	for range 2 {
		d := b.receive(s)
		b.same(full(), d.Message)
		b.settle(s, queue.DeadLetter, d)
		b.same(full(), b.letters(1, queue.LetterFilter{})[0].Message)
		b.redrive(1, queue.LetterFilter{}, queue.RedriveOptions{})
	}
	b.same(full(), b.receive(s).Message)
}

// propertiesRefused: an invalid property is an error that names it.
func propertiesRefused(b *bench) {
	err := b.Publisher.Publish(b.ctx, queue.Message{ID: "a", Properties: &queue.Properties{Expiration: -1}})
	require.ErrorIs(b.t, err, queue.ErrConfig)
	require.ErrorContains(b.t, err, "Message.Properties.Expiration")
	b.empty()
}
