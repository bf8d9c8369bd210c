/* Stands in for libnvidia-ml.so.1, for tests: serves report.bin and chain.pem from FOLDER, or reports over the nonce by who
   listens at FOLDER/gpu.sock, and fails as files there say. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
  unsigned cec_present, report_size, cec_size;
  unsigned char nonce[32], report[0x2000], cec[0x1000];
} attestation_report;
typedef struct {
  unsigned chain_size, attestation_chain_size;
  unsigned char chain[0x1000], attestation_chain[0x1400];
} certificate;

static int load(const char *name, unsigned char *to, unsigned room) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", FOLDER, name);
  FILE *file = fopen(path, "rb");
  if (!file) return -1;
  int length = fread(to, 1, room, file);
  fclose(file);
  return length;
}

static int has(const char *name) {
  unsigned char byte;
  return load(name, &byte, 1) >= 0;
}

/* The nonce in, the report out; -1 where nobody listens. */
static int ask(const unsigned char *nonce, unsigned char *to, unsigned room) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/gpu.sock", FOLDER);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), length = 0, got;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 || write(fd, nonce, 32) != 32) {
    close(fd);
    return -1;
  }
  while ((got = read(fd, to + length, room - length)) > 0) length += got;
  close(fd);
  return length;
}

static int device = 7;

int nvmlInit_v2(void) { return has("no-driver") ? 9 : 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { return *count = has("no-gpu") ? 0 : has("too-many") ? 65 : 1, 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) { return *handle = &device, index == 0 ? 0 : 2; }
int nvmlSystemGetDriverVersion(char *text, unsigned room) { return snprintf(text, room, "550.90.07"), 0; }
int nvmlDeviceGetName(void *handle, char *text, unsigned room) {
  return handle == &device ? (snprintf(text, room, "NVIDIA H100"), 0) : 2;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned room) {
  return handle == &device ? (snprintf(text, room, "GPU-0"), 0) : 2;
}
int nvmlSystemGetConfComputeState(unsigned *state) {
  if (has("old-driver")) return 3;
  state[0] = 1;
  state[1] = !has("not-confidential");
  state[2] = has("dev-tools");
  return 0;
}
int nvmlDeviceGetConfComputeGpuCertificate(void *handle, certificate *out) {
  if (handle != &device) return 2;
  out->attestation_chain_size = load("chain.pem", out->attestation_chain, sizeof out->attestation_chain);
  return 0;
}
int nvmlDeviceGetConfComputeGpuAttestationReport(void *handle, attestation_report *out) {
  if (handle != &device) return 2;
  if (has("in-use")) return 19;
  if (has("in-use-once")) {
    unlink(FOLDER "/in-use-once");
    return 19;
  }
  if (has("not-confidential")) return 3;
  int length = ask(out->nonce, out->report, sizeof out->report);
  if (length < 0) length = load("report.bin", out->report, sizeof out->report);
  out->report_size = has("too-long") ? 0x2001 : has("empty") ? 0 : length;
  if (!has("stale")) memcpy(out->report + 4, out->nonce, 32);
  return 0;
}
