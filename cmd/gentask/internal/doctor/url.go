package doctor

import (
	"net"
	"net/url"
	"strings"
)

// address adds findings about each server of the URL: a login in clear over a network.
func (e *examination) address(secure ...string) {
	for one := range strings.SplitSeq(e.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || isLoopback(u.Hostname()) {
			continue
		}
		plain := true
		for _, scheme := range secure {
			plain = plain && u.Scheme != scheme
		}
		_, hasPassword := u.User.Password()
		e.is(plain && hasPassword, Risk, "connection to "+u.Host, "scheme "+u.Scheme,
			"use "+strings.Join(secure, " or ")+": the password and all bodies cross the network in clear")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || host == "localhost" || ip != nil && ip.IsLoopback()
}
