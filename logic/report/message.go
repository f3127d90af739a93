package report

import (
	"context"
	"slices"

	"github.com/lightpush/lightpush/internal/client"
	"github.com/lightpush/lightpush/internal/push"
)

// Message is one record of the history (light-push-wire.md 1.4.4). Every
// value is text; pointers are nil for fields the push did not give.
type Message struct {
	Room              string  `json:"room"`
	PushData          string  `json:"pushData"` // JSON, apsData included
	LeaveMessage      *string `json:"leaveMessage,omitempty"`
	APNsName          *string `json:"apnsName,omitempty"`
	Except            *string `json:"except,omitempty"`
	Extra             *string `json:"extra,omitempty"`
	From              *string `json:"from,omitempty"`
	Expire            string  `json:"expire"` // hours
	Namespace         string  `json:"namespace"`
	ID                string  `json:"id"`
	SendDate          string  `json:"sendDate"` // ms
	OnlineClientCount string  `json:"onlineClientCount"`
	AckAndroidCount   string  `json:"ackAndroidCount"`
	AckIOSCount       string  `json:"ackIOSCount"`
	AckCount          string  `json:"ackCount"`
	APNsCount         *string `json:"apnsCount,omitempty"`
	APNsSuccessCount  *string `json:"apnsSuccessCount,omitempty"`
	Result            *string `json:"result,omitempty"` // light-push-wire.md 4.8
}

// MessageReport is one message with the devices that acked it. The lists are
// empty unless they were asked for, and hold only TooMany when a platform has
// more devices than Options.AckDetailMax allows.
type MessageReport struct {
	Message
	AckIOSDetail     []string `json:"ackIOSDetail"`
	AckAndroidDetail []string `json:"ackAndroidDetail"`
	AckWebDetail     []string `json:"ackWebDetail"`
}

// TooMany stands for an ack list that is too long to be answered.
const TooMany = "$$"

// newMessage reads the stored fields; whatever else is stored (expiry, later
// additions) stays internal.
func newMessage(record map[string]string) Message {
	counter := func(field string) string {
		if v := record[field]; v != "" {
			return v
		}
		return "0"
	}
	given := func(field string) *string {
		if v, ok := record[field]; ok {
			return &v
		}
		return nil
	}
	return Message{
		Room:              record["room"],
		PushData:          record["pushData"],
		LeaveMessage:      given("leaveMessage"),
		APNsName:          given("apnsName"),
		Except:            given("except"),
		Extra:             given("extra"),
		From:              given("from"),
		Expire:            record["expire"],
		Namespace:         record["namespace"],
		ID:                record["id"],
		SendDate:          record["sendDate"],
		OnlineClientCount: counter(push.FieldOnline),
		AckAndroidCount:   counter(push.FieldAckAndroid),
		AckIOSCount:       counter(push.FieldAckIOS),
		AckCount:          counter(push.FieldAck),
		APNsCount:         given("apnsCount"),
		APNsSuccessCount:  given("apnsSuccessCount"),
		Result:            given("result"),
	}
}

// Message reports on message id of namespace ns; with detail it lists the
// devices that acked. Errors: ErrNoMessage, else the store's.
func (r *Reports) Message(ctx context.Context, ns string, id int64, detail bool) (MessageReport, error) {
	if id <= 0 {
		return MessageReport{}, ErrNoMessage
	}
	records, err := r.store.Records(ctx, []int64{id})
	if err != nil {
		return MessageReport{}, err
	}
	if len(records) != 1 || records[0] == nil || records[0]["namespace"] != ns {
		return MessageReport{}, ErrNoMessage
	}
	report := MessageReport{
		Message:      newMessage(records[0]),
		AckIOSDetail: []string{}, AckAndroidDetail: []string{}, AckWebDetail: []string{},
	}
	if !detail {
		return report, nil
	}
	lists := []struct {
		platform string
		into     *[]string
	}{
		{client.IOS, &report.AckIOSDetail},
		{client.Android, &report.AckAndroidDetail},
		{client.Web, &report.AckWebDetail},
	}
	err = r.each(ctx, len(lists), func(ctx context.Context, i int) error {
		clients, full, err := r.store.Acked(ctx, id, lists[i].platform, r.limits.AckDetailMax)
		switch {
		case err != nil:
			return err
		case full || len(clients) >= r.limits.AckDetailMax:
			*lists[i].into = []string{TooMany}
		case len(clients) > 0:
			slices.Sort(clients)
			*lists[i].into = clients
		}
		return nil
	})
	if err != nil {
		return MessageReport{}, err
	}
	return report, nil
}
