/** The embedded server's settings: what differs from PostgreSQL's defaults, and why. */

const SETTINGS: Record<string, string> = {
  // Durability is the point of the log, so it is stated rather than inherited from a file someone may have edited.
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  // The service already gathers a batch a transaction: waiting longer in the server would only add latency.
  commit_delay: "0",
  // No replicas and no logical decoding: less is written before a commit can be acknowledged.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  min_wal_size: "128MB",
  max_wal_size: "1GB",
  checkpoint_timeout: "15min",
  shared_buffers: "96MB",
  // Few processes beside the service on a small machine.
  io_method: "sync",
  max_parallel_workers_per_gather: "0",
  jit: "off",
  max_connections: "60",
  // Row values name request ids and digests of salted inputs: they stay out of the log.
  log_error_verbosity: "terse",
  log_min_error_statement: "panic",
  log_checkpoints: "off",
  log_line_prefix: "",
  logging_collector: "off",
  timezone: "UTC",
  unix_socket_permissions: "0700",
};

/** `host`: a folder for the socket, or a loopback address. */
export interface Listen {
  host: string;
  port: number;
}

export function serverArguments(cluster: string, { host, port }: Listen): string[] {
  const socket = host.includes("/");
  const own = {
    listen_addresses: socket ? "" : host,
    unix_socket_directories: socket ? `"${host.replaceAll('"', '""')}"` : "",
    port: String(port),
  };
  const pairs = Object.entries({ ...SETTINGS, ...own });
  return ["-D", cluster, ...pairs.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}
