package nats

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// propertyNames returns the names of the API of a configuration.
func propertyNames(config any) []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(config)) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// TestEveryPropertyHasARule: what a newer client or server adds to a configuration must be placed
// in the rules, as harmless or as something to refuse.
func TestEveryPropertyHasARule(t *testing.T) {
	b := &Broker{}
	for what, one := range map[string]struct {
		rules   rules
		configs []any
	}{
		"stream":   {b.streamRules("jobs"), []any{jetstream.StreamConfig{}, server.StreamConfig{}}},
		"consumer": {b.consumerRules(), []any{jetstream.ConsumerConfig{}, server.ConsumerConfig{}}},
		"keys":     {keyRules("jobs-keys"), []any{jetstream.StreamConfig{}, server.StreamConfig{}}},
	} {
		known := map[string]bool{}
		for _, config := range one.configs {
			for _, name := range propertyNames(config) {
				require.Contains(t, one.rules, name, "%s has a property without a rule, in %T", what, config)
				known[name] = true
			}
		}
		for name := range one.rules {
			require.True(t, known[name], "%s: no configuration has the property %q", what, name)
		}
	}
}

// TestAPropertyWithoutARuleMustNotBeSet: it is refused with a value of any type.
func TestAPropertyWithoutARuleMustNotBeSet(t *testing.T) {
	for text, set := range map[string]bool{
		`null`: false, `false`: false, `0`: false, `-1`: false, `""`: false, `"none"`: false, `"default"`: false,
		`[]`: false, `{}`: false, `{"a":{"b":0}}`: false,
		`true`: true, `1`: true, `-2`: true, `0.5`: true, `"drop"`: true, `["a"]`: true, `{"a":{"b":1}}`: true,
	} {
		var have properties
		numbers := json.NewDecoder(strings.NewReader(`{"from_the_future":` + text + `}`))
		numbers.UseNumber()
		require.NoError(t, numbers.Decode(&have))
		diff := rules{}.differences(have)
		require.Equal(t, set, len(diff) == 1, "%s: %v", text, diff)
		if set {
			require.Contains(t, diff[0], "from_the_future is "+strings.Trim(text, `"`)+", must not be set")
		}
	}
}

func TestMatches(t *testing.T) {
	for _, one := range []struct {
		pattern, subject string
		want             bool
	}{
		{"jobs", "jobs", true},
		{"jobs", "jobs.eu", false},
		{"jobs.eu", "jobs", false},
		{"jobs.>", "jobs", false},
		{"jobs.>", "jobs.eu", true},
		{"jobs.>", "jobs.eu.invoice", true},
		{"jobs.*", "jobs.eu", true},
		{"jobs.*", "jobs.eu.invoice", false},
		{"jobs.*.invoice", "jobs.eu.invoice", true},
		{"*.eu.*", "jobs.eu.invoice", true},
		{"jobs.*", "job.eu", false},
		{">", "jobs", true},
	} {
		require.Equal(t, one.want, matches(one.pattern, one.subject), "%+v", one)
	}
}
