package gentask

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestClampSpans: the durations of a struct, at any depth, are at most a hundred years. Others, and
// what can't be set, stay.
func TestClampSpans(t *testing.T) {
	type inner struct{ Long, Short time.Duration }
	type outer struct {
		Long   time.Duration
		Inner  inner
		Number int64
		own    time.Duration
	}
	const most = math.MaxInt64
	got := outer{most, inner{most, time.Second}, most, most}
	clampSpans(reflect.ValueOf(&got).Elem())
	require.Equal(t, outer{forEver, inner{forEver, time.Second}, most, most}, got)
}
