package codec

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"compress/zlib"
	"io"
	"strings"

	"github.com/gentask/gentask/queue"
)

// headerCelery is the header in which Celery and Kombu name the compression of a body, by a media
// type. They leave the content encoding to the charset.
const headerCelery = "compression"

// Names of encodings that the Set decodes besides those of [Compression].
const (
	deflate = "deflate"
	bzip    = "bzip2"
)

// encodingOf returns the compression of the body by its usual name, and "" for none. The name of an
// unknown one is returned as it is. Other programs write the header in any case, and also name
// charsets there.
func encodingOf(msg *queue.Message) string {
	name, found := header(msg.Headers, HeaderEncoding)
	if !found {
		return celery(msg.Headers[headerCelery])
	}
	switch lower := strings.ToLower(strings.TrimSpace(name)); lower {
	case "", None.String(), "utf-8", "utf8", "us-ascii", "ascii", "binary", "8bit", "7bit":
		return ""
	case "x-gzip":
		return Gzip.String()
	case "zlib":
		return deflate
	case Gzip.String(), Zstd.String(), deflate, bzip:
		return lower
	}
	return name
}

// celery returns the compression that Celery's media type stands for. Its gzip is deflate. Another
// value is of no meaning here.
func celery(mediaType string) string {
	switch mediaType {
	case "application/x-gzip":
		return deflate
	case "application/x-bz2":
		return bzip
	case "application/zstd":
		return Zstd.String()
	case "application/x-brotli", "application/x-lzma":
		return mediaType
	}
	return ""
}

// header returns the value of a header whose name may be in any case, and reports whether it is
// there.
func header(headers map[string]string, name string) (string, bool) {
	if value, found := headers[name]; found {
		return value, true
	}
	for other, value := range headers {
		if strings.EqualFold(other, name) {
			return value, true
		}
	}
	return "", false
}

// inflate decompresses deflate, which is zlib by its definition, and often raw.
func inflate(body []byte) (io.Reader, error) {
	const method, check = 8, 31 // of zlib's first two bytes
	if len(body) > 1 && body[0]&0xf == method && (int(body[0])<<8|int(body[1]))%check == 0 {
		return zlib.NewReader(bytes.NewReader(body))
	}
	return flate.NewReader(bytes.NewReader(body)), nil
}

// bunzip decompresses bzip2.
func bunzip(body []byte) (io.Reader, error) {
	return bzip2.NewReader(bufio.NewReader(bytes.NewReader(body))), nil
}
