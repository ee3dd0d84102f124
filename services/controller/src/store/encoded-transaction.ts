/**
 * A transaction with its values as stored text, made when it is asked for: a value that cannot be
 * stored fails alone.
 */
import { type Change, encodeRecord, type RecordKey, type Transaction } from "@innkeeper/core";

export class EncodedTransaction {
  readonly transaction: Transaction;
  readonly puts: readonly { readonly key: RecordKey; readonly text: string }[];

  constructor(transaction: Transaction) {
    this.transaction = transaction;
    this.puts = transaction.puts.map(({ key, value }) => ({ key, text: encodeRecord(value) }));
  }

  /** The row of the change log: [[key, stored record or null], …]. */
  get batch(): string {
    const put = this.puts.map(({ key, text }) => `[${JSON.stringify(key)},${text}]`);
    const deleted = this.transaction.deletes.map((key) => `[${JSON.stringify(key)},null]`);
    return `[${[...put, ...deleted].join(",")}]`;
  }

  get changes(): readonly Change[] {
    return [
      ...this.transaction.puts.map(({ key, value }) => ({ key, value })),
      ...this.transaction.deletes.map((key) => ({ key, value: undefined })),
    ];
  }
}
