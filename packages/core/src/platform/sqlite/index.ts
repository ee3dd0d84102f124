/**
 * SQLite for the embedded store and the agent's journal. Apart from `platform`, so that clients do
 * not load it.
 */
export { ExclusiveDatabase, type ExclusiveDatabaseOptions } from "./exclusive-database.js";
export {
  connectSqlite,
  type SqlConnection,
  type SqlRow,
  type SqlStatement,
  type SqlValue,
} from "./sqlite-connection.js";
