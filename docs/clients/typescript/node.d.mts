/** Documents out. */
export interface Wire {
    send(text: string): void;
    close(): void;
}
/** It said that we may not come in. */
export declare class Refused extends Error {
    readonly refused = true;
}
/** A document a line. */
export declare function openLines(path: string, said: (text: string) => void, ended: () => void): Promise<Wire>;
/** A document a message. */
export declare function openWebSocket(url: string, token: string, said: (text: string) => void, ended: () => void): Promise<Wire>;
