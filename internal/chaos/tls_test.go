package chaos

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// TestTLS: consumers whose connections are encrypted, and are cut again and again, consume as
// others do. They trust only an authority of the test's own: a client that doesn't know
// it connects to nothing, and reports why.
func TestTLS(t *testing.T) {
	for _, kind := range []Kind{Quorum, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			var at, direct string
			var trust *authority
			if kind == Stream {
				j := sharedStream(t)
				at, direct, trust = j.TLSURL(0), j.URL(0), j.tls
			} else {
				r := sharedRabbit(t)
				at, direct, trust = r.TLSURL(), r.URL(0), r.tls
			}
			stranger, err := newAuthority()
			require.NoError(t, err)
			for _, wrong := range []*authority{nil, stranger} {
				e, err := Open(kind, at, "tls")
				if wrong != nil {
					e, err = OpenTLS(kind, at, "tls", wrong.trust())
				}
				require.NoError(t, err)
				_, err = e.Open(t.Context(), queue.Options{Prefetch: 1})
				var unknown x509.UnknownAuthorityError
				require.ErrorAs(t, err, &unknown)
				require.NoError(t, e.Close())
			}

			p := newProxy(t, at)
			tr := NewTrial(t, "connections cut, with TLS", kind, p.URL(), direct)
			tr.Trust = trust.trust()
			tr.Publish(scaled(1000, 4000))
			tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
			for range scaled(1, 3) {
				tr.Ran(100)
				p.Cut()
				tr.Struck()
			}
			row := tr.Finish(2)
			require.LessOrEqual(t, row.Resumed, soon)
			require.NoError(t, table.Add(row))
		})
	}
}
