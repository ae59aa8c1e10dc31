export { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";
