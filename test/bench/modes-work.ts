/**
 * The work that every mode does, as one shell script: `bench NAME VALUE` for each thing measured,
 * in hundredths of a second by the guest's own clock, then `bench done`.
 */

export const LOOPS = 300_000;
export const DISK_MIB = 256;
export const SMALL_READS = 10_000;
export const NET_MIB = 64;

export interface WorkPlace {
  /** A disk, or a file on one; 256 MiB of it are written. */
  readonly disk: string;
  /** host:port where 64 MiB are fetched from by HTTP; empty = the guest reaches nothing. */
  readonly server: string;
  /** Where the lines go; empty = standard output. */
  readonly output: string;
}

export function workScript({ disk, server, output }: WorkPlace): string {
  return `#!/bin/sh
exec 2>/dev/null
${output === "" ? "" : `exec >${output}`}
now() { read -r up rest </proc/uptime; echo "\${up%.*}\${up#*.}"; }
measure() {
  name=$1; shift; from=$(now); "$@" >/dev/null && echo "bench $name $(($(now) - from))"
}
loops() { i=0; while [ $i -lt ${LOOPS} ]; do i=$((i + 1)); done; }
echo "bench begins 0"
for wait in 1 2 3 4 5 6 7 8 9 10; do [ -e ${disk} ] && break; sleep 1; done
measure cpu loops
measure write dd if=/dev/zero of=${disk} bs=1048576 count=${DISK_MIB} oflag=direct conv=notrunc
measure read dd if=${disk} of=/dev/null bs=1048576 count=${DISK_MIB} iflag=direct
measure small dd if=${disk} of=/dev/null bs=4096 count=${SMALL_READS} iflag=direct
fetch() {
  if command -v wget >/dev/null; then wget -q -O /dev/null http://${server}/ && return; fi
  bash -c '
    exec 3<>/dev/tcp/${server.replace(":", "/")}
    echo "GET / HTTP/1.0" >&3; echo >&3; cat <&3
  '
}
if [ -n "${server}" ]; then
  for wait in 1 2 3 4 5 6 7 8 9 10; do
    grep -q "[^0-9]00000000[^0-9]" /proc/net/route && break
    sleep 1
  done
  measure net fetch
fi
echo "bench done 0"
`;
}

/** What the script said, in hundredths of a second; what failed is not there. */
export function saidIn(text: string): ReadonlyMap<string, number> {
  const lines = text.matchAll(/^bench ([a-z]+) (\d+)\s*$/gm);
  return new Map([...lines].map(([, name = "", value]) => [name, Number(value)]));
}

export interface WorkFigures {
  readonly cpuLoopsPerSecond: number | undefined;
  readonly diskWriteMibPerSecond: number | undefined;
  readonly diskReadMibPerSecond: number | undefined;
  /** 4 KiB, one after the other. */
  readonly diskReadsPerSecond: number | undefined;
  readonly netMibPerSecond: number | undefined;
}

export function figuresOf(said: ReadonlyMap<string, number>): WorkFigures {
  const rate = (name: string, amount: number): number | undefined => {
    const hundredths = said.get(name);
    return hundredths === undefined ? undefined : (100 * amount) / Math.max(1, hundredths);
  };
  return {
    cpuLoopsPerSecond: rate("cpu", LOOPS),
    diskWriteMibPerSecond: rate("write", DISK_MIB),
    diskReadMibPerSecond: rate("read", DISK_MIB),
    diskReadsPerSecond: rate("small", SMALL_READS),
    netMibPerSecond: rate("net", NET_MIB),
  };
}
