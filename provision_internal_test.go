package gentask

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// counted is a resource that counts its calls.
type counted struct{ opened, closed int }

func (*counted) Check(ResourceUser) error { return nil }
func (c *counted) Open(ResourceUser)      { c.opened++ }
func (c *counted) Close()                 { c.closed++ }

// TestProvision_NotBegun: resources that were not opened are not closed, and opened ones once.
func TestProvision_NotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ended := &counted{}, 0
		p := provision{all: []Resource{c}}
		end := func() {
			p.end(func() { ended++ })
			synctest.Wait()
		}
		end()
		require.Equal(t, 1, ended)
		require.Equal(t, &counted{}, c)
		p.begin(ResourceUser{})
		end()
		require.Equal(t, 2, ended)
		require.Equal(t, &counted{opened: 1, closed: 1}, c)
		end()
		require.Equal(t, 3, ended)
		require.Equal(t, &counted{opened: 1, closed: 1}, c)
	})
}

// TestProvision_Empty: without resources the end is at once.
func TestProvision_Empty(t *testing.T) {
	var p provision
	p.begin(ResourceUser{})
	ended := false
	p.end(func() { ended = true })
	require.True(t, ended)
}
