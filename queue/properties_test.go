package queue_test

import (
	"math"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPropertiesSurviveTheirHeaders: what Headers yields, SetHeader sets, and nothing else.
func TestPropertiesSurviveTheirHeaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just(""), rapid.String())
		sent := queue.Properties{
			CorrelationID: text.Draw(t, "correlation id"), ReplyTo: text.Draw(t, "reply to"),
			Type: text.Draw(t, "type"), AppID: text.Draw(t, "app id"),
			Expiration: time.Duration(rapid.Int64Range(0, math.MaxInt64/1_000_000).Draw(t, "ms")) * time.Millisecond,
			Subject:    text.Draw(t, "subject"), Exchange: text.Draw(t, "exchange"),
		}
		var got queue.Properties
		for name, value := range sent.Headers() {
			require.NotEmpty(t, value)
			require.True(t, got.SetHeader(name, value))
		}
		require.False(t, got.SetHeader("gentask-reason", "x"))
		require.Equal(t, sent, got)
		require.Equal(t, sent == queue.Properties{}, got.OrNil() == nil)
	})
}

func TestNoPropertiesHaveNoHeaders(t *testing.T) {
	var none *queue.Properties
	for name := range none.Headers() {
		t.Fatal(name)
	}
	require.Nil(t, none.OrNil())
}

// TestExpirationsOfAnyText: the text may come from any program.
func TestExpirationsOfAnyText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "60000": time.Minute, "-5": 0, "soon": 0, "1.5": 0,
		"99999999999999999999999": 9_223_372_036_854 * time.Millisecond,
	} {
		require.Equal(t, want, queue.ParseExpiration(text), text)
	}
	require.Equal(t, "2", queue.FormatExpiration(time.Millisecond+1))
	require.Empty(t, queue.FormatExpiration(-time.Second))
}

func TestANegativeExpirationIsRefused(t *testing.T) {
	err := (&queue.Message{Properties: &queue.Properties{Expiration: -1}}).Check()
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Message.Properties.Expiration is -1ns")
}
