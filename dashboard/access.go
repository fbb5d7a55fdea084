package dashboard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxAuthor is the most bytes of an author's name.
const maxAuthor = 200

// access returns what r may do.
func (d *Dashboard) access(r *http.Request) Access {
	if d.cfg.Access == nil {
		return localOnly(r)
	}
	own := bare(r)
	level, ok := ask(r.Context(), d.hooks, d.hooks.access, func() Access { return d.cfg.Access(own) })
	if !ok || level > AccessOperate {
		return AccessNone
	}
	return level
}

// localOnly is the default of Config.Access. The host must be a loopback one, too: a page of
// another site could have its name resolved to this machine.
func localOnly(r *http.Request) Access {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return AccessNone // the address is that of the proxy
		}
	}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() || !isLoopback(r.Host) {
		return AccessNone
	}
	return AccessOperate
}

// isLoopback reports whether a Host header names this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// author returns who acts.
func (d *Dashboard) author(r *http.Request) string {
	if d.cfg.Author == nil {
		return remote(r)
	}
	own := bare(r)
	name, ok := ask(r.Context(), d.hooks, d.hooks.author, func() string { return d.cfg.Author(own) })
	switch {
	case !ok:
		return fmt.Sprintf("unknown (%s)", remote(r))
	case name == "":
		return remote(r)
	}
	return clip(name, maxAuthor)
}

func remote(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return clip(r.RemoteAddr, maxAuthor)
}
