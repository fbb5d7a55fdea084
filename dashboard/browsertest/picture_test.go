package browsertest

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"slices"
)

// writePicture writes a PNG with at most 256 colours, which is a third of the size of a full one.
func writePicture(path string, full []byte) error {
	picture, err := png.Decode(bytes.NewReader(full))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&b, reduce(picture)); err != nil {
		return err
	}
	if b.Len() > mostPicture {
		return fmt.Errorf("%s would have %d bytes; want %d at most: a smaller page, or fewer colours", path, b.Len(), mostPicture)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// tone is a colour with four bits for each part: colours that the eye takes for the same.
type tone [3]uint8

func toneOf(c color.RGBA) tone { return tone{c.R >> 4, c.G >> 4, c.B >> 4} }

// mean is the mean of colours of one tone.
type mean struct{ n, r, g, b int }

func (m *mean) add(c color.RGBA, n int) {
	m.n += n
	m.r, m.g, m.b = m.r+n*int(c.R), m.g+n*int(c.G), m.b+n*int(c.B)
}

func (m *mean) color() color.RGBA {
	return color.RGBA{uint8(m.r / m.n), uint8(m.g / m.n), uint8(m.b / m.n), 255}
}

// reduce returns the picture with the 256 colours that it has most of. The others become the one
// that is next.
func reduce(picture image.Image) *image.Paletted {
	full := image.NewRGBA(picture.Bounds())
	draw.Draw(full, full.Rect, picture, full.Rect.Min, draw.Src)
	exact, tones := map[color.RGBA]int{}, map[tone]*mean{}
	for i := range len(full.Pix) / 4 {
		exact[pixel(full, i)]++
	}
	for c, n := range exact {
		if tones[toneOf(c)] == nil {
			tones[toneOf(c)] = &mean{}
		}
		tones[toneOf(c)].add(c, n)
	}
	colors := palette(exact, tones)
	near := map[color.RGBA]uint8{}
	for c := range exact {
		near[c] = uint8(colors.Index(c))
	}
	out := image.NewPaletted(full.Rect, colors)
	for i := range out.Pix {
		out.Pix[i] = near[pixel(full, i)]
	}
	return out
}

func pixel(picture *image.RGBA, i int) color.RGBA {
	p := picture.Pix[4*i : 4*i+3]
	return color.RGBA{p[0], p[1], p[2], 255}
}

// palette returns the 64 colours that there are most of, and the means of the 192 largest tones.
func palette(exact map[color.RGBA]int, tones map[tone]*mean) color.Palette {
	var colors color.Palette
	for _, c := range largest(exact, func(n int) int { return n }, 64) {
		colors = append(colors, c)
	}
	for _, k := range largest(tones, func(m *mean) int { return m.n }, 192) {
		colors = append(colors, tones[k].color())
	}
	return colors
}

// largest returns the keys with the n largest values.
func largest[K comparable, V any](of map[K]V, size func(V) int, n int) []K {
	keys := make([]K, 0, len(of))
	for k := range of {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int { return cmp.Compare(size(of[b]), size(of[a])) })
	return keys[:min(n, len(keys))]
}
