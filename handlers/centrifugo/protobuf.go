package centrifugo

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// codec writes and reads our messages as Protocol Buffers, by the tag pb of their fields, so
// that one set of types serves every transport. It knows what api.proto uses: texts, numbers,
// bytes, messages, lists and maps with texts as keys. It is an encoding.CodecV2 of gRPC, and
// safe for concurrent use.
type codec struct{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (codec) Marshal(message any) (mem.BufferSlice, error) {
	data, err := appendMessage(nil, reflect.Indirect(reflect.ValueOf(message)))
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(data)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, message any) error {
	return readMessage(data.Materialize(), reflect.ValueOf(message).Elem())
}

// numbered is a field with its number.
type numbered struct {
	number protowire.Number
	index  int
}

var numberedOf sync.Map // of a struct's type: its fields, by number

func fieldsOf(typ reflect.Type) []numbered {
	if known, ok := numberedOf.Load(typ); ok {
		fields, _ := known.([]numbered)
		return fields
	}
	var fields []numbered
	for i := range typ.NumField() {
		if tag := typ.Field(i).Tag.Get("pb"); tag != "" {
			n, err := strconv.Atoi(tag)
			if err != nil {
				panic(fmt.Sprintf("%s: the tag %q is no number", typ, tag)) // a programming error
			}
			fields = append(fields, numbered{protowire.Number(n), i})
		}
	}
	slices.SortFunc(fields, func(a, b numbered) int { return int(a.number - b.number) })
	numberedOf.Store(typ, fields)
	return fields
}

func appendMessage(out []byte, message reflect.Value) ([]byte, error) {
	var err error
	for _, f := range fieldsOf(message.Type()) {
		if out, err = appendField(out, f.number, message.Field(f.index)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendField writes a field; what is zero is not written.
func appendField(out []byte, number protowire.Number, value reflect.Value) ([]byte, error) {
	switch kind := value.Kind(); {
	case kind == reflect.Map:
		return appendMap(out, number, value)
	case kind == reflect.Slice && value.Type().Elem().Kind() != reflect.Uint8:
		var err error
		for i := range value.Len() {
			if out, err = appendValue(out, number, value.Index(i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case value.IsZero() || kind == reflect.Slice && value.Len() == 0:
		return out, nil
	}
	return appendValue(out, number, value)
}

// appendMap writes a map in the order of its keys, so that the same is written the same.
func appendMap(out []byte, number protowire.Number, value reflect.Value) ([]byte, error) {
	entries := map[string]reflect.Value{}
	for entry := value.MapRange(); entry.Next(); {
		entries[entry.Key().String()] = entry.Value()
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		entry := protowire.AppendTag(nil, 1, protowire.BytesType)
		entry = protowire.AppendString(entry, name)
		entry, err := appendValue(entry, 2, entries[name])
		if err != nil {
			return nil, err
		}
		out = protowire.AppendTag(out, number, protowire.BytesType)
		out = protowire.AppendBytes(out, entry)
	}
	return out, nil
}

func appendValue(out []byte, number protowire.Number, value reflect.Value) ([]byte, error) {
	switch value.Kind() {
	case reflect.String:
		out = protowire.AppendTag(out, number, protowire.BytesType)
		return protowire.AppendString(out, value.String()), nil
	case reflect.Slice:
		out = protowire.AppendTag(out, number, protowire.BytesType)
		return protowire.AppendBytes(out, value.Bytes()), nil
	case reflect.Bool:
		out = protowire.AppendTag(out, number, protowire.VarintType)
		return protowire.AppendVarint(out, protowire.EncodeBool(value.Bool())), nil
	case reflect.Int32, reflect.Int64:
		out = protowire.AppendTag(out, number, protowire.VarintType)
		return protowire.AppendVarint(out, uint64(value.Int())), nil
	case reflect.Uint32:
		out = protowire.AppendTag(out, number, protowire.VarintType)
		return protowire.AppendVarint(out, value.Uint()), nil
	case reflect.Pointer:
		if value.IsNil() { // an element of a list that says nothing
			value = reflect.New(value.Type().Elem())
		}
		inner, err := appendMessage(nil, value.Elem())
		if err != nil {
			return nil, err
		}
		out = protowire.AppendTag(out, number, protowire.BytesType)
		return protowire.AppendBytes(out, inner), nil
	default:
		return nil, fmt.Errorf("a field of the type %s cannot be written", value.Type())
	}
}

var (
	errWire = errors.New("the message is not of its type")
	errUTF8 = errors.New("a text is not UTF-8")
)

// readMessage reads a message. Fields that it does not know are passed over.
func readMessage(data []byte, message reflect.Value) error {
	fields := fieldsOf(message.Type())
	for len(data) > 0 {
		number, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errWire
		}
		data = data[n:]
		size := protowire.ConsumeFieldValue(number, wire, data)
		if size < 0 {
			return errWire
		}
		i := slices.IndexFunc(fields, func(f numbered) bool { return f.number == number })
		if i >= 0 {
			if err := readField(data[:size], wire, message.Field(fields[i].index)); err != nil {
				return err
			}
		}
		data = data[size:]
	}
	return nil
}

// readField reads one occurrence of a field.
func readField(data []byte, wire protowire.Type, field reflect.Value) error {
	switch {
	case field.Kind() == reflect.Map:
		return readMap(data, wire, field)
	case field.Kind() == reflect.Slice && field.Type().Elem().Kind() != reflect.Uint8:
		one := reflect.New(field.Type().Elem()).Elem()
		if err := readValue(data, wire, one); err != nil {
			return err
		}
		field.Set(reflect.Append(field, one))
		return nil
	}
	return readValue(data, wire, field)
}

func readMap(data []byte, wire protowire.Type, field reflect.Value) error {
	entry, err := readBytes(data, wire)
	if err != nil {
		return err
	}
	name := ""
	value := reflect.New(field.Type().Elem()).Elem()
	for len(entry) > 0 {
		number, wire, n := protowire.ConsumeTag(entry)
		if n < 0 {
			return errWire
		}
		size := protowire.ConsumeFieldValue(number, wire, entry[n:])
		if size < 0 {
			return errWire
		}
		switch part := entry[n : n+size]; int(number) {
		case 1:
			err = readValue(part, wire, reflect.ValueOf(&name).Elem())
		case 2:
			err = readValue(part, wire, value)
		}
		if err != nil {
			return err
		}
		entry = entry[n+size:]
	}
	if value.Kind() == reflect.Pointer && value.IsNil() {
		value.Set(reflect.New(value.Type().Elem()))
	}
	if field.IsNil() {
		field.Set(reflect.MakeMap(field.Type()))
	}
	field.SetMapIndex(reflect.ValueOf(name), value)
	return nil
}

func readBytes(data []byte, wire protowire.Type) ([]byte, error) {
	if wire != protowire.BytesType {
		return nil, errWire
	}
	out, n := protowire.ConsumeBytes(data)
	if n < 0 {
		return nil, errWire
	}
	return out, nil
}

func readValue(data []byte, wire protowire.Type, into reflect.Value) error {
	if slices.Contains(numberKinds, into.Kind()) {
		return readNumber(data, wire, into)
	}
	text, err := readBytes(data, wire)
	if err != nil {
		return err
	}
	switch into.Kind() {
	case reflect.String:
		if !utf8.Valid(text) {
			return errUTF8
		}
		into.SetString(string(text))
		return nil
	case reflect.Slice:
		into.SetBytes(slices.Clone(text)) // the message's memory is used again
		return nil
	case reflect.Pointer:
		if into.IsNil() {
			into.Set(reflect.New(into.Type().Elem()))
		}
		return readMessage(text, into.Elem())
	default:
		return fmt.Errorf("a field of the type %s cannot be read", into.Type())
	}
}

var numberKinds = []reflect.Kind{reflect.Bool, reflect.Int32, reflect.Int64, reflect.Uint32}

func readNumber(data []byte, wire protowire.Type, into reflect.Value) error {
	n, size := protowire.ConsumeVarint(data)
	if wire != protowire.VarintType || size < 0 {
		return errWire
	}
	switch into.Kind() {
	case reflect.Bool:
		into.SetBool(protowire.DecodeBool(n))
	case reflect.Int32:
		into.SetInt(int64(int32(n))) // as every implementation: what is too long is cut
	case reflect.Int64:
		into.SetInt(int64(n))
	default:
		into.SetUint(uint64(uint32(n)))
	}
	return nil
}
