package doctor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		version, than string
		want          bool
	}{
		{"3.9.29", "3.10", true},
		{"3.10.0", "3.10", false},
		{"4.3.2", "4.3.3", true},
		{"4.3.3+2", "4.3.3", false},
		{"v2.10.16-beta.1", "2.10.16", false},
		{"2.9", "2.10.16", true},
		{"2.11.0", "2.10.16", false},
		{"", "3.10", true},
	} {
		require.Equal(t, c.want, older(c.version, c.than), "%s, %s", c.version, c.than)
	}
}

func TestAheadOf(t *testing.T) {
	begun := time.Now()
	ended := begun.Add(time.Second)
	require.Zero(t, aheadOf(begun.Add(time.Millisecond), begun, ended))
	require.Equal(t, time.Minute, aheadOf(ended.Add(time.Minute), begun, ended))
	require.Equal(t, -time.Minute, aheadOf(begun.Add(-time.Minute), begun, ended))
}

func TestSkew_IsARisk(t *testing.T) {
	var e examination
	e.skew("clock", time.Minute)
	e.skew("clock", -time.Second)
	require.Equal(t, []Level{Risk, Fine}, []Level{e.found[0].Level, e.found[1].Level})
}

func TestAddress(t *testing.T) {
	for url, want := range map[string][]Level{
		"amqp://ana:geheim@db.example.com/":  {Risk},
		"amqps://ana:geheim@db.example.com/": {Fine},
		"amqp://ana:geheim@127.0.0.1/":       nil,
		"amqp://db.example.com/":             {Fine},
	} {
		e := examination{Target: Target{URL: url}}
		e.address("amqps")
		var got []Level
		for _, f := range e.found {
			got = append(got, f.Level)
		}
		require.Equal(t, want, got, url)
	}
}
