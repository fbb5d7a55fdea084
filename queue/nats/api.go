package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// standardAPI is the prefix of JetStream's API without a domain.
const standardAPI = "$JS.API."

// apiPrefix returns the prefix of all requests to JetStream, with a dot at its end.
func (c Config) apiPrefix() string {
	switch {
	case c.Domain != "":
		return "$JS." + c.Domain + ".API."
	case c.APIPrefix != "":
		return c.APIPrefix + "."
	}
	return standardAPI
}

// jetStream returns the client of JetStream on a connection.
func (c Config) jetStream(nc *natsgo.Conn) (jetstream.JetStream, error) {
	return jetstream.NewWithAPIPrefix(nc, c.apiPrefix(), jetstream.WithPublishAsyncMaxPending(unbounded))
}

// properties are the configuration of a stream or a consumer, by the server's names. They include
// those that the client's structs do not know. Numbers are of type json.Number.
type properties map[string]any

// info is the server's answer about a stream or a consumer.
type info struct {
	Config properties          `json:"config"`
	Error  *jetstream.APIError `json:"error"`

	// Of a stream.
	Created string `json:"created"`
	State   struct {
		LastSeq uint64 `json:"last_seq"`
	} `json:"state"`

	// Of a consumer.
	Paused     bool `json:"paused"`
	Pending    int  `json:"num_pending"`
	AckPending int  `json:"num_ack_pending"`
	Waiting    int  `json:"num_waiting"`
	Delivered  struct {
		Seq uint64 `json:"consumer_seq"`
	} `json:"delivered"`
}

// streamInfo asks for a stream once. Its error may be [jetstream.ErrStreamNotFound].
func (l *link) streamInfo(ctx context.Context, name string) (*info, error) {
	return l.info(ctx, "STREAM.INFO."+name)
}

// consumerInfo asks for the consumer of a queue once. Its error may be
// [jetstream.ErrConsumerNotFound].
func (l *link) consumerInfo(ctx context.Context, name string) (*info, error) {
	return l.info(ctx, "CONSUMER.INFO."+name+"."+consumerName)
}

func (l *link) info(ctx context.Context, request string) (*info, error) {
	m, err := l.nc.RequestWithContext(ctx, l.api+request, nil)
	if err != nil {
		return nil, err
	}
	return parseInfo(request, m.Data)
}

// parseInfo reads the server's answer to a request.
func parseInfo(request string, data []byte) (*info, error) {
	numbers := json.NewDecoder(bytes.NewReader(data))
	numbers.UseNumber()
	var answer info
	if err := numbers.Decode(&answer); err != nil {
		return nil, fmt.Errorf("answer to %s: %w", request, err)
	}
	if answer.Error != nil {
		return nil, answer.Error
	}
	return &answer, nil
}

// duration returns a property in nanoseconds, or 0.
func (p properties) duration(name string) time.Duration { return time.Duration(p.number(name)) }

// number returns a property, or 0.
func (p properties) number(name string) int64 {
	n, ok := p[name].(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}

// texts returns a property that is a list of strings.
func (p properties) texts(name string) []string {
	list, _ := p[name].([]any)
	texts := make([]string, 0, len(list))
	for _, one := range list {
		if text, ok := one.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}
