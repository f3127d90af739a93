package engineio

import (
	"crypto/sha1"
	"encoding/base64"
)

// keySuffix is the constant of RFC 6455 section 1.3.
const keySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// validKey reports that a Sec-WebSocket-Key stands for 16 bytes.
func validKey(key string) bool {
	if len(key) != 24 {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(nonce) == 16
}

// switchingProtocols is the head of the answer that opens a WebSocket; extension is empty when there is none. There is
// never a subprotocol.
func switchingProtocols(key, extension string) []byte {
	sum := sha1.Sum([]byte(key + keySuffix))
	head := append(make([]byte, 0, 256), "HTTP/1.1 101 Switching Protocols\r\n"+
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	head = base64.StdEncoding.AppendEncode(head, sum[:])
	if extension != "" {
		head = append(append(head, "\r\nSec-WebSocket-Extensions: "...), extension...)
	}
	return append(head, "\r\n\r\n"...)
}
