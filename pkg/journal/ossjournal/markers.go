package ossjournal

import (
	"bytes"
	"context"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"

	"github.com/replidesk/replidesk/pkg/fault"
	"github.com/replidesk/replidesk/pkg/journal/driver"
)

// PutMarker implements driver.Markers.
func (s *Store) PutMarker(ctx context.Context, key string, data []byte) (created bool, err error) {
	if err := driver.CheckKey(key); err != nil {
		return false, err
	}
	_, err = s.put(ctx, key, data, bytes.NewReader(bytes.Clone(data)))
	if fault.Of(err) == fault.Exists {
		return false, nil
	}
	return err == nil, err
}

// GetMarker implements driver.Markers.
func (s *Store) GetMarker(ctx context.Context, key string) ([]byte, error) {
	if err := driver.CheckKey(key); err != nil {
		return nil, err
	}
	data, _, err := s.get(ctx, key)
	return data, err
}

// ListMarkers implements driver.Markers.
func (s *Store) ListMarkers(ctx context.Context, prefix, after string, limit int) ([]driver.Marker, error) {
	res, err := s.list(ctx, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	var markers []driver.Marker
	for _, o := range res.Contents {
		markers = append(markers, driver.Marker{Key: oss.ToString(o.Key), Size: o.Size, Modified: utc(o.LastModified)})
	}
	return markers, nil
}

// DeleteMarker implements driver.Markers.
func (s *Store) DeleteMarker(ctx context.Context, key string) error {
	if err := driver.CheckKey(key); err != nil {
		return err
	}
	return s.delete(ctx, key)
}
