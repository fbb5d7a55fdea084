package postgres

import (
	"context"

	"github.com/gentask/gentask/queue"
)

// EncodeHeaders is for tests that insert rows by themselves.
func EncodeHeaders(headers map[string]string) string { return encodeHeaders(headers, nil) }

// ChannelOf is the channel of a queue's notifications.
func ChannelOf(schema, name string) string { return channelOf(schema, name) }

// Vacuum does at once what a session does after many settlements.
func Vacuum(ctx context.Context, s queue.Session) { s.(*session).upkeep.vacuum(ctx) }
