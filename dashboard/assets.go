package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// assetFiles are style.css, icon.svg and live.js of the dashboard, and htmx 2 with its extension
// for streams, as published: that extension requires htmx 2.
//
//go:embed assets/style.css assets/icon.svg assets/live.js assets/htmx.min.js assets/sse.min.js
//go:embed assets/LICENSE.htmx assets/LICENSE.htmx-ext-sse
var assetFiles embed.FS

// assets are the files beside the pages. Their names have a hash of their content, so that browsers
// may keep them for ever.
type assets struct {
	byName map[string]*asset // by the name with the hash
	names  map[string]string // the name with the hash, by the file's
}

type asset struct {
	kind        string
	plain, gzip []byte
}

// kinds are the media types of assets.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func loadAssets() *assets {
	a := &assets{byName: map[string]*asset{}, names: map[string]string{}}
	entries, _ := assetFiles.ReadDir("assets") // it is embedded
	for _, e := range entries {
		kind, served := kinds[path.Ext(e.Name())]
		if !served {
			continue
		}
		text, _ := assetFiles.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(text)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byName[name] = &asset{kind: kind, plain: text, gzip: zipped(text)}
		a.names[e.Name()] = name
	}
	return a
}

func zipped(text []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = z.Write(text)                                  // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// link returns the relative URL of a file.
func (a *assets) link(file string) string { return "assets/" + a.names[file] }

// serve serves the asset of that name.
func (a *assets) serve(w http.ResponseWriter, r *http.Request, name string) bool {
	one := a.byName[name]
	if one == nil {
		return false
	}
	h, body := w.Header(), one.plain
	h.Set("Content-Type", one.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = one.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
	return true
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if strings.EqualFold(coding, "gzip") && q != "q=0" && q != "q=0.0" {
			return true
		}
	}
	return false
}
