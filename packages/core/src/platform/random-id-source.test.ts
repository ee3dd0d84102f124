import { idSourceContract } from "../testing/contracts/id-source.contract.js";
import { randomIdSource } from "./random-id-source.js";

idSourceContract("operating system", () => randomIdSource);
