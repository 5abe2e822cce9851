/* A GPU that runs a module's programs, and slots that lie on both sides. A device is for any number
 * of threads, a mirror for one at a time.
 *
 * Programs read and write slots on the card, the runtime those on the host. Of each slot a mirror
 * knows which of the two is newer, and copies one only when the other side asks for it; so
 * parameters stay on the card until a checkpoint wants them. Everything is enqueued in one stream,
 * and the host waits where it fetches what the card wrote, never else. */
#ifndef RLC_RUNTIME_DEVICE_DEVICE_H
#define RLC_RUNTIME_DEVICE_DEVICE_H

#include "runtime/trainer.h"

typedef struct Device Device;
typedef struct Mirror Mirror;

/* Finds a card for the module's images and loads one of them. NULL, with what is missing and what
 * to do, when there is no driver, no card, or none that the images are for. */
Device *device_open(const RlcModule *module, RunError *error);
void device_close(Device *device);
/* The architecture of the card that device_open would take, 90 for sm_90; 0 where there is none,
 * and `error`, unless it is NULL, says what is missing. */
int device_arch(RunError *error);
/* The architecture of archs.def that code for a card of this one is made for: its own or the
 * largest older one, whose code it takes; 0 for a card that is older than all. */
int device_arch_for(int arch);
/* The oldest of archs.def. */
int device_arch_oldest(void);
/* The card in words, for provenance: "NVIDIA H200, sm_90, CUDA driver 13.0". */
const char *device_name(const Device *device);
/* The code that was loaded and what made it: "sm_90 by NVRTC 13.0". */
const char *device_code(const Device *device);
/* False when something on the card has failed since the device was opened; then nothing is run any
 * more, and `error`, unless it is NULL, says what it was (no device never fails): the program in
 * which a kernel faulted, or what was refused. */
bool device_good(Device *device, RunError *error);

/* Room on the card for the slots at `host`, all zero as those are, and for the programs' scratch.
 * NULL, with the bytes that were needed and the largest tensors, when there is none. */
Mirror *mirror_make(Device *device, char *host, RunError *error);
void mirror_free(Mirror *mirror);
typedef struct MirrorRun {
  Mirror *mirror;
  uint32_t program;
  uint64_t seed, draw; /* as RlcCall's seed and step */
} MirrorRun;
/* Runs one program for different mirrors of a device, behind all that was run and copied before: in
 * one launch, if so many blocks can be on the card at once. */
void mirrors_run(const MirrorRun *runs, uint32_t count);
/* Copies what mirrors_run would have to copy first, for which it may have to wait for the card. So
 * each of those who are launched together does it for himself, and none in front of the others. */
void mirror_bring(const MirrorRun *run);
/* The host is about to read a slot: afterwards it has what the card wrote last. */
void mirror_fetch(Mirror *mirror, uint32_t slot);
/* The same for all slots. */
void mirror_fetch_all(Mirror *mirror);
/* The host has written a slot, as a whole or after fetching it. */
void mirror_store(Mirror *mirror, uint32_t slot);
void mirror_store_all(Mirror *mirror);
/* Slots of one mirror become those of another of the same device, on both sides. */
void mirror_give(Mirror *to, Mirror *from, const uint32_t *slots, uint32_t count);
void mirror_give_all(Mirror *to, Mirror *from);

/* Copies slots that a program has written out to `to`, one behind the other as they lie, each
 * beginning at a multiple of SLOT_LINE; they are there after the next mirror_wait. `to` is memory
 * of device_host_take. */
enum { SLOT_LINE = 64 };
void mirror_note(Mirror *mirror, const uint32_t *slots, uint32_t count, char *to);
void mirror_wait(Mirror *mirror);
/* Zeroed memory that the card copies to while the host goes on. NULL after filling error. */
void *device_host_take(Device *device, size_t bytes, RunError *error);
void device_host_free(Device *device, void *memory);

#endif
