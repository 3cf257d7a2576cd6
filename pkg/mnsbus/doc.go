// Package mnsbus carries hints and results over MNS queues.
//
// Every body is sent in base64, so that whatever it holds survives the way and the
// queue trigger, which decodes base64, hands on what was meant; readers undo base64
// only where they find it. Delivery is at least once and in no order. [fact 28]
//
// The SDK has no contexts, retries by itself and panics on odd settings. It is
// therefore given a transport that makes one attempt under the caller's context,
// and a client is used by one call at a time.
package mnsbus
