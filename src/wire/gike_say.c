/*
 * gike_say SEED COUNT: COUNT GSA payloads and as many KD payloads out of a seed, one a line: kind,
 * bytes, words. For test/vectors/test_gike.py, which reads them with a decoder of its own.
 */
#include "wire/gike_random.h"
#include "wire/gike_text.h"

#include <stdlib.h>

static void say(const char *kind, const struct wr *w, const char *text)
{
	printf("%s ", kind);
	for (size_t i = 0; i < wr_len(w); i++)
		printf("%02x", w->start[i]);
	printf(" %s\n", text);
}

int main(int argc, char *argv[])
{
	static struct gike_text text;
	static struct gike_gsa g;
	static struct gike_kd k;
	static uint8_t out[65536];
	static struct gike_dice dice; /* what is rolled points into it */
	long count;

	if (argc != 3)
		return 2;
	dice = gike_dice_init(strtoull(argv[1], NULL, 10));
	count = strtol(argv[2], NULL, 10);
	for (long i = 0; i < count; i++) {
		enum gike_where where = (enum gike_where)(i % 3);
		struct wr w = wr_init(out, sizeof(out));

		gike_roll_gsa(&dice, &g, where);
		gike_gsa_build(&g, &w);
		say("gsa", &w, gike_gsa_text(&text, &g));
		w = wr_init(out, sizeof(out));
		gike_roll_kd(&dice, &k, where);
		gike_kd_build(&k, &w);
		say("kd", &w, gike_kd_text(&text, &k));
	}
	return 0;
}
