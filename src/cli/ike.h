/* ike: what is printed of IKE and ESP, for people. */
#pragma once

#include "base/js.h"
#include "cli/cli.h"

/* `show ike` of all peers, and of one. */
void ike_table_print(const struct js *answer, FILE *out);
void ike_detail_print(const struct js *answer, FILE *out);
/* The ESP SAs of `show sa`. */
void ike_esp_print(const struct js *list, FILE *out);
