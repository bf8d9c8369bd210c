/** Environment of a process that keeps inputs or keys: see wipe-freed.js. */
export const WIPE_FREED: { readonly GLIBC_TUNABLES: string };
