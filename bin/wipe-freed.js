/**
 * What makes glibc's allocator write over memory as it is freed, so that inputs and keys do not lie there until it is used again.
 * It reads this as a process starts, so that the starter must hand it over; other allocators pass over it. Small pieces too: its
 * cache for each thread, which keeps them unwiped, is off. (glibc manual, "Memory Allocation Tunables".)
 */
export const WIPE_FREED = { GLIBC_TUNABLES: "glibc.malloc.perturb=85:glibc.malloc.tcache_count=0" };
