/* fault: faults that the simulator plants and must find. Without GIKEV2_FAULTS there are none. */
#pragma once

#include <stdbool.h>

enum gikev2_fault {
	GIKEV2_FAULT_NONE,
	GIKEV2_FAULT_NOT_SAVED, /* answers and messages leave, and no record says so */
	GIKEV2_FAULT_TREE_KEPT, /* new keys go out under the old ones alone, whoever is excluded */
	GIKEV2_FAULT_SENDER_AGAIN, /* Sender-IDs are handed out twice */
	GIKEV2_FAULT_SEND_EARLY,   /* senders do not wait for the others */
	GIKEV2_FAULT_RETIRE_EARLY, /* a member forgets the old SA when it has a new one */
	GIKEV2_FAULT_REPLAY,       /* message IDs are not looked at */
};

#ifdef GIKEV2_FAULTS
extern enum gikev2_fault gikev2_fault;
#define faulty(f) (gikev2_fault == (f))
#else
#define faulty(f) false
#endif
