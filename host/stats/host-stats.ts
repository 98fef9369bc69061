// Names of the statistics of hosts: hidden from /stats, read one by one for /clusters.

/** `clusterStatName` is alt_stat_name, or the cluster's name; `stat` for example "cx_active". */
export function hostStatName(clusterStatName: string, address: string, stat: string): string {
  return `\u0000host|${clusterStatName}|${address}|${stat}`;
}
