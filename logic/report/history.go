package report

import "context"

// DefaultPageSize is the size of a page when the caller names none.
const DefaultPageSize = 20

// History returns one page of the namespace's messages, newest first. Pages
// count from 1 and count only messages that still exist, so an expired
// message neither ends the list nor leaves a hole in a page (B37). A page
// below 1 is the first, a size below 1 is DefaultPageSize and a size above
// Options.PageMax is PageMax; a page beyond the end is empty.
func (r *Reports) History(ctx context.Context, ns string, page, size int) ([]Message, error) {
	if page < 1 {
		page = 1
	}
	if size < 1 {
		size = DefaultPageSize
	}
	size = min(size, r.limits.PageMax)
	messages := []Message{}
	if page > (r.limits.HistoryMax+size-1)/size {
		return messages, nil // beyond every possible history; also keeps the product below small
	}
	ids, err := r.live(ctx, ns)
	if err != nil {
		return nil, err
	}
	from := min((page-1)*size, len(ids))
	ids = ids[from:min(from+size, len(ids))]
	if len(ids) == 0 {
		return messages, nil
	}
	records, err := r.store.Records(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, record := range records {
		// nil: it expired since live looked.
		if record != nil && record["namespace"] == ns {
			messages = append(messages, newMessage(record))
		}
	}
	return messages, nil
}

// live returns the ids of the namespace's messages that still exist.
func (r *Reports) live(ctx context.Context, ns string) ([]int64, error) {
	ids, err := r.store.MessageIDs(ctx, ns)
	if err != nil {
		return nil, err
	}
	ids = ids[:min(len(ids), r.limits.HistoryMax)]
	if len(ids) == 0 {
		return nil, nil
	}
	alive, err := r.store.Alive(ctx, ids)
	if err != nil {
		return nil, err
	}
	live := make([]int64, 0, len(ids))
	for i, id := range ids {
		if i < len(alive) && alive[i] {
			live = append(live, id)
		}
	}
	return live, nil
}
