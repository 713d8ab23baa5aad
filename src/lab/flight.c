/* flight: the frames in flight, a bounded heap. See flight.h. */
#include "lab/flight.h"

#include <stdlib.h>
#include <string.h>

struct frame *frame_new(const void *data, size_t len)
{
	struct frame *f = malloc(sizeof(*f) + len);

	if (!f)
		return NULL;
	f->refs = 1;
	f->len = (uint32_t)len;
	memcpy(f->b, data, len);
	return f;
}

void frame_put(struct frame *f)
{
	if (f && !--f->refs)
		free(f);
}

void flight_init(struct flight *q, size_t max_frames, size_t max_bytes)
{
	*q = (struct flight){.max_frames = max_frames, .max_bytes = max_bytes};
}

void flight_fini(struct flight *q)
{
	for (size_t i = 0; i < q->count; i++)
		frame_put(q->heap[i].frame);
	free(q->heap);
	*q = (struct flight){0};
}

static bool is_before(const struct flight_item *a, const struct flight_item *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static bool room_make(struct flight *q)
{
	size_t room = q->room ? q->room * 2 : 1024;
	struct flight_item *p;

	if (q->count < q->room)
		return true;
	p = reallocarray(q->heap, room, sizeof(*p));
	if (!p)
		return false;
	q->heap = p;
	q->room = room;
	return true;
}

bool flight_put(struct flight *q, struct frame *f, uint16_t port, uint64_t due_ns)
{
	struct flight_item it = {.due_ns = due_ns, .order = q->order++, .frame = f, .port = port};
	size_t i;

	if (q->count >= q->max_frames || q->bytes + f->len > q->max_bytes || !room_make(q)) {
		q->refused++;
		return false;
	}
	f->refs++;
	q->bytes += f->len;
	for (i = q->count++; i && is_before(&it, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		q->heap[i] = q->heap[(i - 1) / 2];
	q->heap[i] = it;
	return true;
}

uint64_t flight_due(const struct flight *q)
{
	return q->count ? q->heap[0].due_ns : UINT64_MAX;
}

bool flight_take(struct flight *q, uint64_t now, struct flight_item *out)
{
	struct flight_item last;
	size_t i = 0, child;

	if (!q->count || q->heap[0].due_ns > now)
		return false;
	*out = q->heap[0];
	q->bytes -= out->frame->len;
	last = q->heap[--q->count];
	while ((child = 2 * i + 1) < q->count) {
		if (child + 1 < q->count && is_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!is_before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
		i = child;
	}
	q->heap[i] = last;
	return true;
}
