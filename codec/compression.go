package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/gentask/gentask/queue"
)

// HeaderEncoding is the header with the compression of a body, as in HTTP: gzip or zstd. Decode
// finds it in any case.
const HeaderEncoding = queue.HeaderEncoding

// Compression is a way to make bodies smaller. The set is closed.
type Compression uint8

const (
	// None leaves bodies as they are.
	None Compression = iota
	// Gzip can be read by nearly every program.
	Gzip
	// Zstd is smaller, and several times as fast.
	Zstd
)

// String returns the value for [HeaderEncoding].
func (c Compression) String() string {
	switch c {
	case None:
		return "identity"
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("compression(%d)", uint8(c))
}

// prepare makes the encoders and decoders that all messages share.
func (s *Set) prepare() (err error) {
	if s.squeeze, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		return fmt.Errorf("codec: zstd: %w", err)
	}
	limit := uint64(s.cfg.MaxBytes) //nolint:gosec // it has been checked
	s.expand, err = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(limit))
	if err != nil {
		return fmt.Errorf("codec: zstd: %w", err)
	}
	return nil
}

// compress replaces the body, if that makes it smaller.
func (s *Set) compress(msg *queue.Message) error {
	if len(msg.Body) < s.cfg.MinBytes {
		return nil
	}
	var body []byte
	switch s.cfg.Compression {
	case None:
		return nil
	case Gzip:
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		_, err := w.Write(msg.Body)
		if err = errors.Join(err, w.Close()); err != nil {
			return fmt.Errorf("codec: gzip: %w", err)
		}
		body = buf.Bytes()
	case Zstd:
		body = s.squeeze.EncodeAll(msg.Body, nil)
	}
	if len(body) < len(msg.Body) {
		msg.Body = body
		if msg.Headers == nil {
			msg.Headers = map[string]string{}
		}
		msg.Headers[HeaderEncoding] = s.cfg.Compression.String()
	}
	return nil
}

// decompress returns the body without its compression.
func (s *Set) decompress(msg *queue.Message) ([]byte, error) {
	switch encoding := encodingOf(msg); encoding {
	case "":
		return msg.Body, nil
	case Gzip.String():
		return s.expandBy(encoding, msg.Body, gunzip)
	case deflate:
		return s.expandBy(encoding, msg.Body, inflate)
	case bzip:
		return s.expandBy(encoding, msg.Body, bunzip)
	case Zstd.String():
		return s.unzstd(msg.Body)
	default:
		known := []string{None.String(), Gzip.String(), Zstd.String(), deflate, bzip}
		return nil, &unknownError{what: "content encoding", name: encoding, known: known}
	}
}

func gunzip(body []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(body)) }

// expandBy decompresses body by the reader that open returns.
func (s *Set) expandBy(encoding string, body []byte, open func([]byte) (io.Reader, error)) ([]byte, error) {
	r, err := open(body)
	if err != nil {
		return nil, fmt.Errorf("codec: %s: %w", encoding, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(s.cfg.MaxBytes)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("codec: %s: %w", encoding, err)
	case len(plain) > s.cfg.MaxBytes:
		return nil, s.tooLarge(encoding, body)
	}
	return plain, nil
}

func (s *Set) unzstd(body []byte) ([]byte, error) {
	plain, err := s.expand.DecodeAll(body, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded),
		errors.Is(err, zstd.ErrWindowSizeExceeded),
		len(plain) > s.cfg.MaxBytes:
		return nil, s.tooLarge(Zstd.String(), body)
	case err != nil:
		return nil, fmt.Errorf("codec: zstd: %w", err)
	}
	return plain, nil
}

func (s *Set) tooLarge(encoding string, body []byte) error {
	return fmt.Errorf("%w: %d bytes of %s become more than Config.MaxBytes, which is %d",
		ErrTooLarge, len(body), encoding, s.cfg.MaxBytes)
}
